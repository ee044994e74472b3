//! The only unsafe code: calls that the `virt` crate lacks or gets wrong.
//!
//! Each function asks one question of libvirt. Whatever memory libvirt hands out is freed before the
//! function returns, and an error is read on the thread that made the call, before any other call.
#![allow(unsafe_code)]

use super::notice::Told;
use super::record::{Control, GuestInterface, Record, Value};
use crate::entity::{DiskError, DomainState, LifecycleEvent, VmBlockJob, VmBlockJobType};
use crate::interrupt::within;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::mem::{self, ManuallyDrop};
use std::ops::Deref;
use std::panic::catch_unwind;
use std::ptr;
use std::sync::mpsc::Sender;
use std::time::Duration;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::domain_snapshot::DomainSnapshot;
use virt::error::Error;
use virt::network::Network;
use virt::storage_pool::StoragePool;
use virt::storage_vol::StorageVol;
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

/// A call that takes typed parameters: of a domain, or of a connection.
type WithParameters<T> = unsafe extern "C" fn(T, sys::virTypedParameterPtr, c_int, c_uint) -> c_int;

/// A function of the library that was loaded, if it is new enough to have it: the program starts with an older
/// one, too, and so must not name it.
fn newer(name: &CStr) -> Option<ptr::NonNull<libc::c_void>> {
    // SAFETY: `name` ends with NUL; libvirt is linked in, so that it stays loaded as long as the process lives.
    ptr::NonNull::new(unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) })
}

/// Whether the library has both of libvirt 8.4's calls that take an image's format.
pub(super) fn has_image_parameters() -> bool {
    newer(c"virDomainSaveParams").is_some() && newer(c"virDomainRestoreParams").is_some()
}

/// `virDomainQemuAgentCommand`: what the guest's agent answers to a command of its own. `None` if the library for
/// that, which is another one than libvirt's first, is not there: it is looked for when it is needed.
pub(super) fn agent_command(
    domain: &Domain,
    command: &str,
    seconds: c_int,
) -> Option<Result<String, Error>> {
    type Command =
        unsafe extern "C" fn(sys::virDomainPtr, *const c_char, c_int, c_uint) -> *mut c_char;
    // SAFETY: both strings end with NUL. The library stays loaded as long as the process lives.
    let found = ptr::NonNull::new(unsafe {
        let library = libc::dlopen(c"libvirt-qemu.so.0".as_ptr(), libc::RTLD_NOW);
        if library.is_null() {
            return None;
        }
        libc::dlsym(library, c"virDomainQemuAgentCommand".as_ptr())
    })?;
    // SAFETY: the function of this name has had this signature since libvirt 0.10.
    let call: Command = unsafe { mem::transmute(found) };
    Some(
        CString::new(command)
            .map_err(Error::from)
            .and_then(|command| {
                // SAFETY: `domain` holds a reference during the call; `command` ends with NUL and outlives it.
                let answer = unsafe { call(domain.as_ptr(), command.as_ptr(), seconds, 0) };
                // SAFETY: libvirt gave NULL, or a string that ends with NUL.
                let copy = unsafe { text(answer) }.ok_or_else(Error::last_error)?;
                // SAFETY: libvirt allocated the string with malloc and left it to the caller.
                unsafe { libc::free(answer.cast()) };
                Ok(copy)
            }),
    )
}

/// How a file of memory is written or read, as virDomainSaveParams and virDomainRestoreParams take it. There is
/// always a file: without one libvirt up to 11.2 leaves the domain locked.
fn image_parameters(
    path: &str,
    format: Option<&str>,
    channels: Option<c_int>,
) -> Result<Parameters, Error> {
    let texts = [
        (sys::VIR_DOMAIN_SAVE_PARAM_FILE, Some(path)),
        (sys::VIR_DOMAIN_SAVE_PARAM_IMAGE_FORMAT, format),
    ];
    let mut room = 0;
    let mut parameters = Parameters::NONE;
    for (name, text) in texts {
        let Some(text) = text else { continue };
        let text = CString::new(text)?;
        // SAFETY: the three that libvirt changes outlive the call; it copies both strings, which end with NUL.
        minus_one_is_failure(unsafe {
            sys::virTypedParamsAddString(
                &raw mut parameters.first,
                &raw mut parameters.count,
                &raw mut room,
                name.as_ptr(),
                text.as_ptr(),
            )
        })?;
    }
    if let Some(channels) = channels {
        let name = sys::VIR_DOMAIN_SAVE_PARAM_PARALLEL_CHANNELS;
        // SAFETY: as above.
        minus_one_is_failure(unsafe {
            sys::virTypedParamsAddInt(
                &raw mut parameters.first,
                &raw mut parameters.count,
                &raw mut room,
                name.as_ptr(),
                channels,
            )
        })?;
    }
    Ok(parameters)
}

/// `virDomainSaveParams`: as [`save`], in a format of choice, by several channels. `None` if the library is too
/// old to have the call.
pub(super) fn save_as(
    domain: &Domain,
    path: &str,
    format: Option<&str>,
    channels: Option<c_int>,
    flags: u32,
) -> Option<Result<(), Error>> {
    let found = newer(c"virDomainSaveParams")?;
    // SAFETY: the function of this name has had this signature since libvirt 8.4.
    let call: WithParameters<sys::virDomainPtr> = unsafe { std::mem::transmute(found) };
    Some(image_parameters(path, format, channels).and_then(|given| {
        // SAFETY: `domain` holds a reference during the call; libvirt only reads the parameters, which
        // outlive it.
        let result = unsafe { call(domain.as_ptr(), given.first, given.count, flags) };
        minus_one_is_failure(result).map(drop)
    }))
}

/// `virDomainRestoreParams`: restores from a file by several channels. `None` if the library is too old to have
/// the call.
pub(super) fn restore_by(
    connection: &Connect,
    path: &str,
    channels: c_int,
    flags: u32,
) -> Option<Result<(), Error>> {
    let found = newer(c"virDomainRestoreParams")?;
    // SAFETY: the function of this name has had this signature since libvirt 8.4.
    let call: WithParameters<sys::virConnectPtr> = unsafe { std::mem::transmute(found) };
    Some(
        image_parameters(path, None, Some(channels)).and_then(|given| {
            // SAFETY: `connection` holds a reference during the call; libvirt only reads the parameters, which
            // outlive it.
            let result = unsafe { call(connection.as_ptr(), given.first, given.count, flags) };
            minus_one_is_failure(result).map(drop)
        }),
    )
}

/// `virDomainAbortJob`: asks the running job to end; the call that started it tells how it ended.
pub(super) fn abort_job(domain: &Domain) -> Result<(), Error> {
    // SAFETY: `domain` holds a reference during the call.
    minus_one_is_failure(unsafe { sys::virDomainAbortJob(domain.as_ptr()) }).map(drop)
}

/// `virDomainManagedSaveGetXMLDesc`, without secrets.
pub(super) fn managed_save_xml(domain: &Domain) -> Result<String, Error> {
    // SAFETY: `domain` holds a reference during the call.
    let xml = unsafe { sys::virDomainManagedSaveGetXMLDesc(domain.as_ptr(), 0) };
    // SAFETY: libvirt gave NULL, or a string that ends with NUL.
    let copy = unsafe { text(xml) }.ok_or_else(Error::last_error)?;
    // SAFETY: libvirt allocated the string with malloc and left it to the caller.
    unsafe { libc::free(xml.cast()) };
    Ok(copy)
}

/// `virDomainGetState`; the wrapper in `virt` takes a failed call for a state.
pub(super) fn state(domain: &Domain) -> Result<DomainState, Error> {
    let (mut state, mut reason) = (-1, -1);
    // SAFETY: `domain` holds a reference during the call; both integers outlive it.
    let result =
        unsafe { sys::virDomainGetState(domain.as_ptr(), &raw mut state, &raw mut reason, 0) };
    minus_one_is_failure(result).map(|_| DomainState { state, reason })
}

/// Typed parameters that libvirt allocated; freed with this.
struct Parameters {
    first: sys::virTypedParameterPtr,
    count: c_int,
}

impl Parameters {
    const NONE: Self = Self {
        first: ptr::null_mut(),
        count: 0,
    };

    fn record(&self) -> Record {
        // SAFETY: libvirt set both, or they are NULL and 0; the parameters live as long as this.
        unsafe { record(self.first, self.count) }
    }
}

impl Drop for Parameters {
    fn drop(&mut self) {
        // SAFETY: libvirt allocated the array with `count` members; NULL with 0 is allowed. Nothing
        // refers to it any more.
        unsafe { sys::virTypedParamsFree(self.first, self.count) };
    }
}

/// A copy of typed parameters, without those of a type that libvirt has invented since.
///
/// # Safety
/// `first` points to `count` parameters as libvirt fills them in, or is NULL.
unsafe fn record(first: *const sys::virTypedParameter, count: c_int) -> Record {
    let length = match usize::try_from(count) {
        Ok(length) if !first.is_null() => length,
        _ => 0,
    };
    Record::new((0..length).filter_map(|index| {
        // SAFETY: the caller vouches for `count` parameters.
        let parameter = unsafe { &*first.add(index) };
        // SAFETY: libvirt ends the name with NUL within the array.
        let name = unsafe { text(parameter.field.as_ptr()) }?;
        // SAFETY: libvirt has set what the type says.
        Some((name, unsafe { value(parameter) }?))
    }))
}

/// # Safety
/// The member of the union that the type names is set; a string is one that C understands, or NULL.
unsafe fn value(parameter: &sys::virTypedParameter) -> Option<Value> {
    let value = &parameter.value;
    Some(match c_uint::try_from(parameter.type_).ok()? {
        // SAFETY: the type names this member.
        sys::VIR_TYPED_PARAM_INT => Value::Integer(i64::from(unsafe { value.i })),
        // SAFETY: as above.
        sys::VIR_TYPED_PARAM_UINT => Value::Unsigned(u64::from(unsafe { value.ui })),
        // SAFETY: as above.
        sys::VIR_TYPED_PARAM_LLONG => Value::Integer(unsafe { value.l }),
        // SAFETY: as above.
        sys::VIR_TYPED_PARAM_ULLONG => Value::Unsigned(unsafe { value.ul }),
        // SAFETY: as above.
        sys::VIR_TYPED_PARAM_DOUBLE => Value::Float(unsafe { value.d }),
        // SAFETY: as above.
        sys::VIR_TYPED_PARAM_BOOLEAN => Value::Boolean(unsafe { value.b } != 0),
        // SAFETY: as above, and the caller vouches for the string.
        sys::VIR_TYPED_PARAM_STRING => Value::Text(unsafe { text(value.s) }?),
        _ => return None,
    })
}

/// A copy of a string of libvirt's; `None` of NULL.
///
/// # Safety
/// `string` is NULL, or ends with NUL.
unsafe fn text(string: *const c_char) -> Option<String> {
    if string.is_null() {
        return None;
    }
    // SAFETY: the caller vouches for it.
    let string = unsafe { CStr::from_ptr(string) };
    Some(string.to_string_lossy().into_owned())
}

/// `virDomainGetJobStats`; `None` without a running job. The wrapper in `virt` crashes there.
pub(super) fn job(domain: &Domain) -> Result<Option<Record>, Error> {
    let (kind, parameters) = job_stats(domain)?;
    let runs = [sys::VIR_DOMAIN_JOB_BOUNDED, sys::VIR_DOMAIN_JOB_UNBOUNDED];
    Ok(runs.contains(&kind).then(|| parameters.record()))
}

/// `virDomainGetJobStats`: whether a job holds the domain. When QEMU's part of a save has ended, well or not, libvirt
/// still waits for the file, and its job runs no more, but is there.
pub(super) fn holds_job(domain: &Domain) -> Result<bool, Error> {
    Ok(job_stats(domain)?.0 != sys::VIR_DOMAIN_JOB_NONE)
}

/// What `virDomainGetJobStats` says of the job that holds the domain: its type, and the rest.
fn job_stats(domain: &Domain) -> Result<(c_uint, Parameters), Error> {
    let mut kind = 0;
    let mut parameters = Parameters::NONE;
    // SAFETY: `domain` holds a reference during the call, and what it fills in outlives it. On
    // success libvirt sets all; the parameters stay NULL if there are none.
    let result = unsafe {
        sys::virDomainGetJobStats(
            domain.as_ptr(),
            &raw mut kind,
            &raw mut parameters.first,
            &raw mut parameters.count,
            0,
        )
    };
    minus_one_is_failure(result)?;
    let kind = c_uint::try_from(kind).unwrap_or(sys::VIR_DOMAIN_JOB_NONE);
    Ok((kind, parameters))
}

/// `virDomainGetGuestInfo`.
pub(super) fn guest_info(domain: &Domain, groups: u32) -> Result<Record, Error> {
    let mut parameters = Parameters::NONE;
    // SAFETY: `domain` holds a reference during the call, and what it fills in outlives it.
    let result = unsafe {
        sys::virDomainGetGuestInfo(
            domain.as_ptr(),
            groups,
            &raw mut parameters.first,
            &raw mut parameters.count,
            0,
        )
    };
    minus_one_is_failure(result)?;
    Ok(parameters.record())
}

/// `virDomainGetGuestVcpus`.
pub(super) fn guest_vcpus(domain: &Domain) -> Result<Record, Error> {
    let mut parameters = Parameters::NONE;
    let mut count: c_uint = 0;
    // SAFETY: `domain` holds a reference during the call, and what it fills in outlives it.
    let result = unsafe {
        sys::virDomainGetGuestVcpus(
            domain.as_ptr(),
            &raw mut parameters.first,
            &raw mut count,
            0,
        )
    };
    // Before anything can fail, so that all is freed; there are never more than a few.
    parameters.count = c_int::try_from(count).unwrap_or_default();
    minus_one_is_failure(result)?;
    Ok(parameters.record())
}

/// Statistics that libvirt allocated; freed with this.
struct Statistics {
    first: *mut sys::virDomainStatsRecordPtr,
    count: usize,
}

impl Statistics {
    /// What a call found that fills in such a list and returns its length.
    fn of(
        call: impl FnOnce(*mut *mut sys::virDomainStatsRecordPtr) -> c_int,
    ) -> Result<Self, Error> {
        let mut list = Self {
            first: ptr::null_mut(),
            count: 0,
        };
        let count = minus_one_is_failure(call(&raw mut list.first))?;
        list.count = usize::try_from(count).unwrap_or_default();
        Ok(list)
    }

    fn records(&self) -> Result<Vec<(DomainHandle, Record)>, Error> {
        (0..self.count)
            .map(|index| {
                // SAFETY: libvirt set `count` pointers to records, which live as long as this.
                let found = unsafe { &**self.first.add(index) };
                // SAFETY: the record holds a reference to the domain; this takes one of our own, as
                // the record's goes with the list.
                minus_one_is_failure(unsafe { sys::virDomainRef(found.dom) })?;
                // SAFETY: the reference is ours since the line above.
                let domain = DomainHandle::new(unsafe { Domain::from_ptr(found.dom) });
                // SAFETY: libvirt set both, and they live as long as the record.
                Ok((domain, unsafe { record(found.params, found.nparams) }))
            })
            .collect()
    }
}

impl Drop for Statistics {
    fn drop(&mut self) {
        // SAFETY: libvirt allocated the list, with records, parameters and references to domains; NULL
        // is allowed. Nothing refers to it any more.
        unsafe { sys::virDomainStatsRecordListFree(self.first) };
    }
}

/// `virDomainListGetStats` of domains of one connection, in their order; those that are no more are left out.
pub(super) fn statistics(
    domains: &[&Domain],
    groups: u32,
    flags: u32,
) -> Result<Vec<(DomainHandle, Record)>, Error> {
    // SAFETY: only the call below uses the pointers, while `domains` hold their references.
    let pointers = domains.iter().map(|domain| unsafe { domain.as_ptr() });
    let mut pointers: Vec<_> = pointers.chain([ptr::null_mut()]).collect();
    Statistics::of(|list| {
        // SAFETY: the array ends with NULL, and it and `list` outlive the call.
        unsafe { sys::virDomainListGetStats(pointers.as_mut_ptr(), groups, list, flags) }
    })?
    .records()
}

/// `virDomainInterfaceAddresses`; the wrapper in `virt` leaks the interfaces.
pub(super) fn interface_addresses(
    domain: &Domain,
    source: u32,
) -> Result<Vec<GuestInterface>, Error> {
    let mut first = ptr::null_mut();
    // SAFETY: `domain` holds a reference during the call; the pointer outlives it.
    let result =
        unsafe { sys::virDomainInterfaceAddresses(domain.as_ptr(), &raw mut first, source, 0) };
    let count = usize::try_from(minus_one_is_failure(result)?).unwrap_or_default();
    let mut interfaces = Vec::new();
    for index in 0..count {
        // SAFETY: libvirt set `count` pointers to interfaces, which are freed below only.
        let pointer = unsafe { *first.add(index) };
        // SAFETY: as above.
        let interface = unsafe { &*pointer };
        let addresses = (0..interface.naddrs as usize).filter_map(|index| {
            // SAFETY: libvirt set `naddrs` addresses, each a string.
            unsafe { text((*interface.addrs.add(index)).addr) }
        });
        interfaces.push(GuestInterface {
            // SAFETY: libvirt set a string.
            name: unsafe { text(interface.name) }.unwrap_or_default(),
            // SAFETY: libvirt set a string, or NULL: not every interface has a hardware address.
            mac: unsafe { text(interface.hwaddr) },
            addresses: addresses.collect(),
        });
        // SAFETY: libvirt allocated it and left it to the caller; nothing refers to it any more.
        unsafe { sys::virDomainInterfaceFree(pointer) };
    }
    // SAFETY: libvirt allocated the array with malloc and left it to the caller; NULL is allowed.
    unsafe { libc::free(first.cast()) };
    Ok(interfaces)
}

/// `virDomainGetControlInfo`.
pub(super) fn control(domain: &Domain) -> Result<Control, Error> {
    let mut info = sys::virDomainControlInfo {
        state: 0,
        details: 0,
        stateTime: 0,
    };
    // SAFETY: `domain` holds a reference during the call; `info` outlives it.
    let result = unsafe { sys::virDomainGetControlInfo(domain.as_ptr(), &raw mut info, 0) };
    minus_one_is_failure(result).map(|_| Control {
        state: info.state.into(),
        milliseconds: info.stateTime,
    })
}

/// `virDomainGetBlockJobInfo`: the job of a disk; `None` without one.
pub(super) fn block_job(domain: &Domain, disk: &str) -> Result<Option<VmBlockJob>, Error> {
    let disk = CString::new(disk)?;
    let mut info = sys::virDomainBlockJobInfo {
        type_: 0,
        bandwidth: 0,
        cur: 0,
        end: 0,
    };
    // SAFETY: `domain` holds a reference during the call; `disk` ends with NUL; both it and `info`
    // outlive the call.
    let result =
        unsafe { sys::virDomainGetBlockJobInfo(domain.as_ptr(), disk.as_ptr(), &raw mut info, 0) };
    let found = minus_one_is_failure(result)?;
    Ok((found > 0).then(|| VmBlockJob {
        block_job_type: VmBlockJobType::from_code(info.type_).unwrap_or(VmBlockJobType::Unknown),
        cursor_cur: info.cur,
        cursor_end: info.end,
    }))
}

/// `virDomainGetDiskErrors`: what ails the disks of a domain that paused on an I/O error, with their
/// targets.
pub(super) fn disk_errors(domain: &Domain) -> Result<Vec<(String, DiskError)>, Error> {
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
    let errors = errors.iter().take(found).map(|error| {
        let kind = match c_uint::try_from(error.error) {
            Ok(sys::VIR_DOMAIN_DISK_ERROR_NO_SPACE) => DiskError::NoSpace,
            _ => DiskError::Unspecified,
        };
        // SAFETY: libvirt allocated the name with malloc and left it to the caller; it ends with NUL.
        let target = unsafe {
            let target = CStr::from_ptr(error.disk).to_string_lossy().into_owned();
            libc::free(error.disk.cast());
            target
        };
        (target, kind)
    });
    Ok(errors.collect())
}

/// `virConnectDomainEventRegisterAny`: has all lifecycle events of all domains sent to `listener`.
pub(super) fn tell_changes(connection: &Connect, listener: Sender<Told>) -> Result<(), Error> {
    type Changed = unsafe extern "C" fn(
        sys::virConnectPtr,
        sys::virDomainPtr,
        c_int,
        c_int,
        *mut c_void,
    ) -> c_int;
    type Any = unsafe extern "C" fn(sys::virConnectPtr, sys::virDomainPtr, *mut c_void);
    // SAFETY: both are pointers to functions. libvirt declares one type for the callbacks of all kinds of
    // events, and calls each with the arguments of its kind, which are here those of `changed`.
    let callback = unsafe { mem::transmute::<Changed, Any>(changed) };
    // SAFETY: `connection` holds a reference during the call; NULL stands for all domains. libvirt hands the
    // listener to the callback, which takes it for what it is, and at last to `forget`, after which it does not
    // use it. If the call fails, nobody has it any more: it is not freed then, as some libvirt might have done so.
    let result = unsafe {
        sys::virConnectDomainEventRegisterAny(
            connection.as_ptr(),
            ptr::null_mut(),
            sys::VIR_DOMAIN_EVENT_ID_LIFECYCLE.cast_signed(),
            Some(callback),
            Box::into_raw(Box::new(listener)).cast(),
            Some(forget),
        )
    };
    minus_one_is_failure(result).map(drop)
}

/// `virConnectRegisterCloseCallback`: has the end of the connection sent to `listener`.
pub(super) fn tell_end(connection: &Connect, listener: Sender<Told>) -> Result<(), Error> {
    // SAFETY: as with `virConnectDomainEventRegisterAny`.
    let result = unsafe {
        sys::virConnectRegisterCloseCallback(
            connection.as_ptr(),
            Some(ended),
            Box::into_raw(Box::new(listener)).cast(),
            Some(forget),
        )
    };
    minus_one_is_failure(result).map(drop)
}

/// A `virConnectDomainEventCallback`.
///
/// # Safety
/// The domain is one of libvirt's; `listener` is that of [`tell_changes`].
unsafe extern "C" fn changed(
    _: sys::virConnectPtr,
    domain: sys::virDomainPtr,
    event: c_int,
    detail: c_int,
    listener: *mut c_void,
) -> c_int {
    // Nothing may unwind into C.
    let _ = catch_unwind(|| {
        // SAFETY: the caller vouches for the domain, whose reference is its own; this takes one of ours.
        if unsafe { sys::virDomainRef(domain) } < 0 {
            return;
        }
        // SAFETY: the reference is ours since the line above.
        let domain = DomainHandle::new(unsafe { Domain::from_ptr(domain) });
        // SAFETY: the caller vouches for it.
        let listener = unsafe { &*listener.cast::<Sender<Told>>() };
        // Who does not listen any more has no need of it.
        let _ = listener.send(Told::Changed(domain, LifecycleEvent { event, detail }));
    });
    0
}

/// A `virConnectCloseFunc`.
///
/// # Safety
/// `listener` is that of [`tell_end`].
unsafe extern "C" fn ended(_: sys::virConnectPtr, _: c_int, listener: *mut c_void) {
    // Nothing may unwind into C.
    let _ = catch_unwind(|| {
        // SAFETY: the caller vouches for it.
        let listener = unsafe { &*listener.cast::<Sender<Told>>() };
        let _ = listener.send(Told::Lost);
    });
}

/// A `virFreeCallback`.
///
/// # Safety
/// `listener` is that of a call above, and nobody uses it any more.
unsafe extern "C" fn forget(listener: *mut c_void) {
    // SAFETY: the caller vouches that it is a box of ours that was given away once.
    let listener = unsafe { Box::from_raw(listener.cast::<Sender<Told>>()) };
    let _ = catch_unwind(|| drop(listener));
}

/// An object of libvirt's whose release never panics. The wrapper's own `Drop` does when libvirt
/// reports an error of it.
#[derive(Debug)]
pub(super) struct Handle<T: Release>(ManuallyDrop<T>);

pub(super) type DomainHandle = Handle<Domain>;

impl<T: Release> Handle<T> {
    pub(super) fn new(object: T) -> Self {
        Self(ManuallyDrop::new(object))
    }
}

impl<T: Release> Deref for Handle<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Release> Drop for Handle<T> {
    fn drop(&mut self) {
        // SAFETY: the wrapper owned one reference, its own Drop never runs, and ours runs once.
        unsafe { self.0.release() };
    }
}

/// A connection, closed when nobody uses it any more (`virConnectClose`): the daemon is told, and one that has
/// fallen silent is not waited for.
#[derive(Debug)]
pub(super) struct ConnectHandle(ManuallyDrop<Handle<Connect>>);

/// How long a daemon may take to see a connection closed.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

impl ConnectHandle {
    pub(super) fn new(connection: Connect) -> Self {
        Self(ManuallyDrop::new(Handle::new(connection)))
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
        // SAFETY: nothing uses it after this, which runs once.
        let handle = unsafe { ManuallyDrop::take(&mut self.0) };
        // If it takes longer, its thread goes on with it.
        let _ = within(CLOSE_LIMIT, move || drop(handle));
    }
}

/// A wrapper that owns one reference.
pub(super) trait Release {
    /// Gives the reference back.
    ///
    /// # Safety
    /// The wrapper must not be used any more, nor dropped.
    unsafe fn release(&self);
}

/// Says which function of libvirt's takes a wrapper's reference back.
macro_rules! release {
    ($($object:ty: $free:ident,)*) => {$(
        impl Release for $object {
            unsafe fn release(&self) {
                // SAFETY: the caller vouches that the reference is still there and not used again.
                unsafe { sys::$free(self.as_ptr()) };
            }
        }
    )*};
}

release! {
    Connect: virConnectClose,
    Domain: virDomainFree,
    DomainSnapshot: virDomainSnapshotFree,
    Network: virNetworkFree,
    StoragePool: virStoragePoolFree,
    StorageVol: virStorageVolFree,
}
