//! What the author of a backout plugin uses: trait Component, the export macro, read-only views of the machine.
