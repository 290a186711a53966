//! System calls that a service never makes and that attackers like. They fail with EPERM and do not
//! kill the process: if we forgot a call, it shows as a named error, and the service stays up.

use std::{collections::BTreeMap, env::consts::ARCH};

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};

/// On x86-64 each call has a second number, for programs with 32-bit pointers.
const X32_BIT: i64 = 0x4000_0000;

/// Number of denied calls.
const DENIED_CALLS: usize = 50;

const DENIED: [i64; DENIED_CALLS] = [
    // Running programs: a service runs none.
    libc::SYS_execve,
    libc::SYS_execveat,
    // Other processes' memory and files.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // Namespaces, mounts, and roots.
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_open_by_handle_at,
    libc::SYS_quotactl,
    // The kernel itself, and its larger surfaces.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_personality,
    libc::SYS_fanotify_init,
    libc::SYS_syslog,
    // The machine.
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_nfsservctl,
    libc::SYS_lookup_dcookie,
];

/// Installs the filter. Returns what it restricts, or what is lacking.
pub(super) fn hold() -> Result<String, String> {
    let arch: TargetArch = ARCH.try_into().map_err(|_| format!("no filter for {ARCH}"))?;
    let second = |call: &i64| (arch == TargetArch::x86_64).then_some(call | X32_BIT);
    let calls = DENIED.iter().copied().chain(DENIED.iter().filter_map(second));
    let rules: BTreeMap<i64, Vec<_>> = calls.map(|call| (call, Vec::new())).collect();
    let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch);
    let program: Result<BpfProgram, _> = filter.and_then(BpfProgram::try_from);
    let program = program.map_err(|error| error.to_string())?;
    apply_filter(&program).map_err(|error| error.to_string())?;
    Ok(format!("by seccomp ({} refused)", DENIED.len()))
}
