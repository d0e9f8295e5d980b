//! Security descriptors: who owns a thing and who may do what with it.

use super::nt::utf16;
use std::{
    ffi::{OsStr, c_void},
    io,
    os::windows::{
        ffi::OsStringExt,
        io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle},
    },
    ptr,
    sync::OnceLock,
};
use windows_sys::Win32::{
    Foundation::{ERROR_INSUFFICIENT_BUFFER, GENERIC_ALL, LocalFree},
    Security::{
        ACCESS_ALLOWED_ACE, ACE_HEADER, ACL, ACL_SIZE_INFORMATION, AclSizeInformation, AdjustTokenPrivileges,
        Authorization::{
            ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
        },
        CreatePrivateObjectSecurityEx, DACL_SECURITY_INFORMATION, DestroyPrivateObjectSecurity,
        GENERIC_MAPPING, GROUP_SECURITY_INFORMATION, GetAce, GetAclInformation, GetKernelObjectSecurity,
        GetSecurityDescriptorDacl, GetSecurityDescriptorLength, GetSecurityDescriptorOwner,
        GetTokenInformation, INHERIT_ONLY_ACE, LUID_AND_ATTRIBUTES, LookupPrivilegeValueW,
        OWNER_SECURITY_INFORMATION, PSECURITY_DESCRIPTOR, PSID, SE_PRIVILEGE_ENABLED, SEF_DACL_AUTO_INHERIT,
        SetKernelObjectSecurity, TOKEN_ADJUST_PRIVILEGES, TOKEN_PRIVILEGES, TOKEN_QUERY, TOKEN_USER,
        TokenUser,
    },
    Storage::FileSystem::{FILE_ALL_ACCESS, FILE_GENERIC_EXECUTE, FILE_GENERIC_READ, FILE_GENERIC_WRITE},
    System::Threading::{GetCurrentProcess, OpenProcessToken},
};

/// A self-relative security descriptor.
#[derive(Clone)]
pub(crate) struct Descriptor(Vec<u64>);

/// Which parts of a descriptor are set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parts {
    /// Owner, group and access list.
    All,
    /// The access list alone.
    Access,
}

/// One entry of an access list that allows something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    /// To whom, as `S-1-…`.
    pub to: String,
    /// What.
    pub mask: u32,
}

const ALL: u32 = OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
/// Kinds of entries that allow: plain, for an object, with a condition, both.
const ALLOWING: [u8; 4] = [0x00, 0x05, 0x09, 0x0b];

impl Descriptor {
    /// Of an open file or folder; the handle needs `READ_CONTROL`.
    pub(crate) fn of(it: BorrowedHandle<'_>) -> io::Result<Self> {
        let mut buffer = vec![0u64; 64];
        loop {
            let mut needed = 0;
            let size = size_of_val(&buffer[..]) as u32;
            // SAFETY: the buffer's size is told.
            let done = unsafe {
                let data = buffer.as_mut_ptr().cast();
                GetKernelObjectSecurity(it.as_raw_handle(), ALL, data, size, &mut needed)
            };
            if done != 0 {
                return Ok(Self(buffer));
            }
            let error = io::Error::last_os_error();
            if error.raw_os_error() != Some(ERROR_INSUFFICIENT_BUFFER.cast_signed()) || needed <= size {
                return Err(error);
            }
            buffer.resize((needed as usize).div_ceil(8), 0);
        }
    }

    /// For us, administrators and the system alone; nothing is taken over from the folder above.
    pub(crate) fn private(folder: bool) -> io::Result<Self> {
        let below = if folder { "OICI" } else { "" };
        let us = user()?;
        Self::parse(&format!("D:P(A;{below};FA;;;SY)(A;{below};FA;;;BA)(A;{below};FA;;;{us})"))
    }

    /// For a folder of programs: the administrators' own; they and the system may change it, users may read and run what
    /// is in it.
    pub(crate) fn for_programs() -> io::Result<Self> {
        Self::parse("O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)")
    }

    fn parse(text: &str) -> io::Result<Self> {
        let wide: Vec<u16> = utf16(OsStr::new(text)).into_iter().chain([0]).collect();
        let mut made: PSECURITY_DESCRIPTOR = ptr::null_mut();
        // SAFETY: the text ends with a NUL; what is made is copied and freed below.
        let done = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                wide.as_ptr(),
                SDDL_REVISION_1,
                &mut made,
                ptr::null_mut(),
            )
        };
        if done == 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call made it, self-relative, and it is freed once.
        unsafe {
            let copy = Self::copy(made);
            LocalFree(made);
            Ok(copy)
        }
    }

    /// What a file would get from the folder with this descriptor.
    pub(crate) fn for_file_below(&self) -> io::Result<Self> {
        let mapping = GENERIC_MAPPING {
            GenericRead: FILE_GENERIC_READ,
            GenericWrite: FILE_GENERIC_WRITE,
            GenericExecute: FILE_GENERIC_EXECUTE,
            GenericAll: FILE_ALL_ACCESS,
        };
        let token = token(TOKEN_QUERY)?;
        let mut made: PSECURITY_DESCRIPTOR = ptr::null_mut();
        // SAFETY: our own descriptor is whole and only read; what is made is copied and destroyed below.
        let done = unsafe {
            CreatePrivateObjectSecurityEx(
                self.as_ptr().cast_mut(),
                ptr::null_mut(),
                &mut made,
                ptr::null(),
                0,
                SEF_DACL_AUTO_INHERIT,
                token.as_raw_handle(),
                &mapping,
            )
        };
        if done == 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call made it, self-relative, and it is destroyed once.
        unsafe {
            let copy = Self::copy(made);
            DestroyPrivateObjectSecurity(&made);
            Ok(copy)
        }
    }

    /// # Safety
    /// `from` must be a whole self-relative descriptor.
    unsafe fn copy(from: PSECURITY_DESCRIPTOR) -> Self {
        // SAFETY: the caller's promise.
        let len = unsafe { GetSecurityDescriptorLength(from) } as usize;
        let mut words = vec![0u64; len.div_ceil(8)];
        // SAFETY: `len` bytes are there to be read, and at least as many to be written.
        unsafe { ptr::copy_nonoverlapping(from.cast::<u8>(), words.as_mut_ptr().cast(), len) };
        Self(words)
    }

    pub(crate) fn as_ptr(&self) -> *const c_void {
        self.0.as_ptr().cast()
    }

    /// Puts it on an open file or folder; the handle needs `WRITE_DAC`, for all parts `WRITE_OWNER` as well.
    pub(crate) fn put_on(&self, it: BorrowedHandle<'_>, parts: Parts) -> io::Result<()> {
        let what = match parts {
            Parts::All => {
                may_give_away();
                ALL
            }
            Parts::Access => DACL_SECURITY_INFORMATION,
        };
        // SAFETY: our own descriptor is whole and only read.
        let done = unsafe { SetKernelObjectSecurity(it.as_raw_handle(), what, self.as_ptr().cast_mut()) };
        if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Who owns it, as `S-1-…`.
    pub(crate) fn owner(&self) -> io::Result<String> {
        let (mut owner, mut defaulted): (PSID, _) = (ptr::null_mut(), 0);
        // SAFETY: our own descriptor is whole; the answer points into it.
        let done =
            unsafe { GetSecurityDescriptorOwner(self.as_ptr().cast_mut(), &mut owner, &mut defaulted) };
        if done == 0 || owner.is_null() {
            return Err(io::Error::other("it has no owner"));
        }
        // SAFETY: it points to a whole identifier inside our own descriptor.
        unsafe { sid_text(owner) }
    }

    /// Every entry that allows something here (not only below); `None`: there is no list, so all may do all.
    pub(crate) fn grants(&self) -> io::Result<Option<Vec<Grant>>> {
        let (mut present, mut defaulted, mut list): (_, _, *mut ACL) = (0, 0, ptr::null_mut());
        // SAFETY: our own descriptor is whole; the answer points into it.
        let done = unsafe {
            GetSecurityDescriptorDacl(self.as_ptr().cast_mut(), &mut present, &mut list, &mut defaulted)
        };
        if done == 0 {
            return Err(io::Error::last_os_error());
        }
        if present == 0 || list.is_null() {
            return Ok(None);
        }
        let mut sizes = ACL_SIZE_INFORMATION::default();
        let size = size_of_val(&sizes) as u32;
        // SAFETY: the list is whole, the buffer is the structure this class asks for.
        let done = unsafe { GetAclInformation(list, (&raw mut sizes).cast(), size, AclSizeInformation) };
        if done == 0 {
            return Err(io::Error::last_os_error());
        }
        let mut grants = Vec::new();
        for n in 0..sizes.AceCount {
            let mut entry: *mut c_void = ptr::null_mut();
            // SAFETY: `n` is below the count, so the answer points to a whole entry inside our own descriptor.
            if unsafe { GetAce(list, n, &mut entry) } == 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: every entry begins with its header.
            let header = unsafe { ptr::read_unaligned(entry.cast::<ACE_HEADER>()) };
            if !ALLOWING.contains(&header.AceType) || u32::from(header.AceFlags) & INHERIT_ONLY_ACE != 0 {
                continue;
            }
            // SAFETY: every entry that allows has its mask behind its header.
            let mask = unsafe { ptr::read_unaligned(&raw const (*entry.cast::<ACCESS_ALLOWED_ACE>()).Mask) };
            // An entry for an object has more between mask and identifier. Files have no such entries; one that is
            // there all the same is taken for everybody's.
            let plain = header.AceType == 0x00 || header.AceType == 0x09;
            let to = if plain {
                // SAFETY: in a plain entry the identifier stands behind the mask.
                unsafe { sid_text((&raw mut (*entry.cast::<ACCESS_ALLOWED_ACE>()).SidStart).cast())? }
            } else {
                "S-1-1-0".to_owned()
            };
            grants.push(Grant { to, mask: if mask & GENERIC_ALL != 0 { u32::MAX } else { mask } });
        }
        Ok(Some(grants))
    }
}

/// # Safety
/// `sid` must point to a whole security identifier.
unsafe fn sid_text(sid: PSID) -> io::Result<String> {
    let mut text: *mut u16 = ptr::null_mut();
    // SAFETY: the caller's promise; the text made is read up to its NUL and freed once.
    unsafe {
        if ConvertSidToStringSidW(sid, &mut text) == 0 {
            return Err(io::Error::last_os_error());
        }
        let len = (0..).take_while(|n| *text.add(*n) != 0).count();
        let owned = std::ffi::OsString::from_wide(std::slice::from_raw_parts(text, len));
        LocalFree(text.cast());
        Ok(owned.to_string_lossy().into_owned())
    }
}

fn token(access: u32) -> io::Result<OwnedHandle> {
    let mut token = ptr::null_mut();
    // SAFETY: the handle is written on success and is nobody else's.
    unsafe {
        if OpenProcessToken(GetCurrentProcess(), access, &mut token) == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedHandle::from_raw_handle(token))
    }
}

/// The user whose rights count, as `S-1-…`.
pub(crate) fn user() -> io::Result<String> {
    let token = token(TOKEN_QUERY)?;
    let mut buffer = [0u64; 64];
    let mut len = 0;
    // SAFETY: the buffer's size is told; on success it begins with a `TOKEN_USER` that points into it.
    unsafe {
        let size = size_of_val(&buffer) as u32;
        if GetTokenInformation(token.as_raw_handle(), TokenUser, buffer.as_mut_ptr().cast(), size, &mut len)
            == 0
        {
            return Err(io::Error::last_os_error());
        }
        sid_text((*buffer.as_ptr().cast::<TOKEN_USER>()).User.Sid)
    }
}

/// Owners other than ourselves are set with a privilege that administrators hold but that is not switched on. Without
/// it the call that sets the owner says so.
fn may_give_away() {
    static ON: OnceLock<()> = OnceLock::new();
    ON.get_or_init(|| {
        let name: Vec<u16> = utf16(OsStr::new("SeRestorePrivilege")).into_iter().chain([0]).collect();
        let Ok(token) = token(TOKEN_ADJUST_PRIVILEGES | TOKEN_QUERY) else { return };
        let mut wanted = TOKEN_PRIVILEGES {
            PrivilegeCount: 1,
            Privileges: [LUID_AND_ATTRIBUTES { Luid: Default::default(), Attributes: SE_PRIVILEGE_ENABLED }],
        };
        // SAFETY: the name ends with a NUL; the structure holds the one privilege it counts.
        unsafe {
            if LookupPrivilegeValueW(ptr::null(), name.as_ptr(), &mut wanted.Privileges[0].Luid) != 0 {
                AdjustTokenPrivileges(token.as_raw_handle(), 0, &wanted, 0, ptr::null_mut(), ptr::null_mut());
            }
        }
    });
}
