//! The only unsafe code: calls that the `virt` crate lacks or gets wrong.
//!
//! Each function asks one question of libvirt. Whatever memory libvirt hands out is freed before the
//! function returns, and an error is read on the thread that made the call, before any other call.
#![allow(unsafe_code)]

use super::Job;
use crate::entity::{DiskError, DomainState};
use std::ffi::{CStr, CString, c_int, c_uint};
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::Error;
use virt::sys;

fn minus_one_is_failure(result: c_int) -> Result<c_int, Error> {
    if result < 0 {
        Err(Error::last_error())
    } else {
        Ok(result)
    }
}

/// `virDomainSaveFlags`: writes the memory of a domain to a file on the daemon's host, and stops it.
pub(super) fn save(domain: &Domain, path: &str, flags: u32) -> Result<(), Error> {
    let path = CString::new(path)?;
    // SAFETY: `domain` holds a reference during the call; `path` ends with NUL and outlives it; no
    // replacement XML (NULL) means that the domain's own is taken.
    let result =
        unsafe { sys::virDomainSaveFlags(domain.as_ptr(), path.as_ptr(), ptr::null(), flags) };
    minus_one_is_failure(result).map(drop)
}

/// `virDomainAbortJob`: asks the running job to end; the call that started it tells how it ended.
pub(super) fn abort_job(domain: &Domain) -> Result<(), Error> {
    // SAFETY: `domain` holds a reference during the call.
    minus_one_is_failure(unsafe { sys::virDomainAbortJob(domain.as_ptr()) }).map(drop)
}

/// `virDomainGetState`; the wrapper in `virt` takes a failed call for a state.
pub(super) fn state(domain: &Domain) -> Result<DomainState, Error> {
    let (mut state, mut reason) = (-1, -1);
    // SAFETY: `domain` holds a reference during the call; both integers outlive it.
    let result =
        unsafe { sys::virDomainGetState(domain.as_ptr(), &raw mut state, &raw mut reason, 0) };
    minus_one_is_failure(result).map(|_| DomainState { state, reason })
}

/// `virDomainGetJobStats`; `None` without a running job. The wrapper in `virt` crashes there.
pub(super) fn job(domain: &Domain) -> Result<Option<Job>, Error> {
    let (mut kind, mut count) = (0, 0);
    let mut parameters = ptr::null_mut();
    // SAFETY: `domain` holds a reference during the call, and the three variables outlive it. On
    // success libvirt sets them all; `parameters` stays NULL if there are none.
    let result = unsafe {
        sys::virDomainGetJobStats(
            domain.as_ptr(),
            &raw mut kind,
            &raw mut parameters,
            &raw mut count,
            0,
        )
    };
    minus_one_is_failure(result)?;
    let mut job = Job::default();
    let length = usize::try_from(count).unwrap_or_default();
    for index in 0..length {
        // SAFETY: libvirt allocated `count` parameters at `parameters`, and they are freed below
        // only.
        let parameter = unsafe { &*parameters.add(index) };
        // SAFETY: libvirt ends the name with NUL within the array.
        let name = unsafe { CStr::from_ptr(parameter.field.as_ptr()) };
        if let Some(value) = number(parameter) {
            match name.to_bytes() {
                b"operation" => job.operation = i32::try_from(value).ok().map(Into::into),
                b"data_total" => job.total = value,
                b"data_remaining" => job.remaining = value,
                b"data_processed" => job.processed = value,
                _ => {}
            }
        }
    }
    // SAFETY: libvirt allocated the array with `count` members; NULL with 0 is allowed. Nothing
    // refers to it any more.
    unsafe { sys::virTypedParamsFree(parameters, count) };
    let runs = [sys::VIR_DOMAIN_JOB_BOUNDED, sys::VIR_DOMAIN_JOB_UNBOUNDED]
        .into_iter()
        .any(|running| c_uint::try_from(kind) == Ok(running));
    Ok(runs.then_some(job))
}

/// The value of a parameter, if it is a number that is not negative.
fn number(parameter: &sys::virTypedParameter) -> Option<u64> {
    match c_uint::try_from(parameter.type_).ok()? {
        // SAFETY: `type_` says which member of the union libvirt has set.
        sys::VIR_TYPED_PARAM_INT => u64::try_from(unsafe { parameter.value.i }).ok(),
        // SAFETY: as above.
        sys::VIR_TYPED_PARAM_UINT => Some(u64::from(unsafe { parameter.value.ui })),
        // SAFETY: as above.
        sys::VIR_TYPED_PARAM_ULLONG => Some(unsafe { parameter.value.ul }),
        _ => None,
    }
}

/// `virDomainGetDiskErrors`: what ails the disks of a domain that paused on an I/O error.
pub(super) fn disk_errors(domain: &Domain) -> Result<Vec<DiskError>, Error> {
    // SAFETY: `domain` holds a reference during the call; with no array libvirt only counts.
    let result = unsafe { sys::virDomainGetDiskErrors(domain.as_ptr(), ptr::null_mut(), 0, 0) };
    let most = minus_one_is_failure(result)?;
    let length = usize::try_from(most).unwrap_or_default();
    if length == 0 {
        // libvirt refuses an array of no length.
        return Ok(Vec::new());
    }
    let mut errors = vec![
        sys::virDomainDiskError {
            disk: ptr::null_mut(),
            error: 0
        };
        length
    ];
    // SAFETY: `errors` has room for as many as are asked for, and outlives the call.
    let result = unsafe {
        sys::virDomainGetDiskErrors(
            domain.as_ptr(),
            errors.as_mut_ptr(),
            c_uint::try_from(most).unwrap_or_default(),
            0,
        )
    };
    let found = usize::try_from(minus_one_is_failure(result)?).unwrap_or_default();
    for error in errors.iter().take(found) {
        // SAFETY: libvirt allocated the name with malloc and left it to the caller.
        unsafe { libc::free(error.disk.cast()) };
    }
    Ok(errors
        .iter()
        .take(found)
        .map(|error| match c_uint::try_from(error.error) {
            Ok(sys::VIR_DOMAIN_DISK_ERROR_NO_SPACE) => DiskError::NoSpace,
            _ => DiskError::Unspecified,
        })
        .collect())
}

/// A domain whose release never panics. The wrapper's own `Drop` does when the daemon is gone.
#[derive(Debug)]
pub(super) struct DomainHandle(ManuallyDrop<Domain>);

impl DomainHandle {
    pub(super) fn new(domain: Domain) -> Self {
        Self(ManuallyDrop::new(domain))
    }
}

impl Deref for DomainHandle {
    type Target = Domain;

    fn deref(&self) -> &Domain {
        &self.0
    }
}

impl Drop for DomainHandle {
    fn drop(&mut self) {
        // SAFETY: the wrapper owned one reference, its own Drop never runs, and ours runs once.
        unsafe { sys::virDomainFree(self.0.as_ptr()) };
    }
}

/// A connection whose release never panics, likewise.
#[derive(Debug)]
pub(super) struct ConnectHandle(ManuallyDrop<Connect>);

impl ConnectHandle {
    pub(super) fn new(connection: Connect) -> Self {
        Self(ManuallyDrop::new(connection))
    }
}

impl Deref for ConnectHandle {
    type Target = Connect;

    fn deref(&self) -> &Connect {
        &self.0
    }
}

impl Drop for ConnectHandle {
    fn drop(&mut self) {
        // SAFETY: the wrapper owned one reference, its own Drop never runs, and ours runs once.
        unsafe { sys::virConnectClose(self.0.as_ptr()) };
    }
}
