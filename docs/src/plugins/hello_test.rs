use backout_plugin::testkit::{ComponentTest, FakeMachine};
use hello::Hello;

#[test]
fn hello_does_what_it_says_stands_any_fault_and_can_be_taken_back() {
    ComponentTest::<Hello>::new().examples().faults().undo();
}

#[test]
fn without_the_copy_there_is_nothing_to_restore_from() {
    let machine = r#"( folders: { "home": "/srv/product" }, paths: { "/srv/product": folder({ "app.conf": file }) } )"#;
    let machine = FakeMachine::from_ron(machine).expect("a machine");
    let proposal = machine.plan::<Hello>(r#"( file: "home/app.conf" )"#).expect("a proposal");
    assert!(format!("{proposal:?}").contains("candidates: []"));
}
