//! The system calls that a running engine needs, and no other.

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpArgLen::Qword, SeccompCmpOp,
    SeccompCondition, SeccompFilter, SeccompRule, apply_filter_all_threads,
};
use std::collections::BTreeMap;

/// Calls that are allowed with any arguments: they compute, wait, or use what is open already.
const ALLOWED: &[c_long] = &[
    // What is open.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_ppoll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    // Memory; mmap and mprotect have conditions below.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    // Threads; clone has conditions below. clone3 answers that there is no such call: its flags
    // lie in memory that a filter cannot read, and the C library then takes clone.
    libc::SYS_clone3,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_set_tid_address,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min,
    libc::SYS_getcpu,
    // Signals of its own.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // Time, and what it is.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrusage,
    libc::SYS_times,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    // The end.
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Installs the filters, for good and for all threads.
pub(super) fn refuse_all_but_the_list() -> Result<(), String> {
    let refused = |error: &dyn std::fmt::Display| error.to_string();
    let filters = [
        compile(clone3_is_unknown()).map_err(|e| refused(&e))?,
        compile(the_list()).map_err(|e| refused(&e))?,
    ];
    // Of two filters' answers the stricter counts: the list lets clone3 through, the first doesn't.
    for filter in &filters {
        apply_filter_all_threads(filter).map_err(|e| refused(&e))?;
    }
    Ok(())
}

type Filter = Result<SeccompFilter, seccompiler::BackendError>;

fn compile(filter: Filter) -> Result<BpfProgram, seccompiler::BackendError> {
    filter?.try_into()
}

fn clone3_is_unknown() -> Filter {
    SeccompFilter::new(
        BTreeMap::from([(libc::SYS_clone3, vec![])]),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS as u32),
        std::env::consts::ARCH.try_into()?,
    )
}

fn the_list() -> Filter {
    let mut rules: BTreeMap<c_long, Vec<SeccompRule>> =
        ALLOWED.iter().map(|&call| (call, vec![])).collect();
    let (executable, threads) = (libc::PROT_EXEC as u64, libc::CLONE_THREAD as u64);
    // The kind of a mapping, and whether it grows as a stack does.
    let (kind, private) = (0x0f | libc::MAP_GROWSDOWN as u64, libc::MAP_PRIVATE as u64);
    // Memory that becomes code is how a broken decoder becomes somebody else's program; shared
    // memory and memory that grows downwards are not counted by the limit.
    let no_code = (2, Dword, SeccompCmpOp::MaskedEq(executable), 0);
    allow(&mut rules, libc::SYS_mprotect, std::slice::from_ref(&no_code))?;
    allow(
        &mut rules,
        libc::SYS_mmap,
        &[no_code, (3, Dword, SeccompCmpOp::MaskedEq(kind), private)],
    )?;
    allow(&mut rules, libc::SYS_clone, &[(0, Qword, SeccompCmpOp::MaskedEq(threads), threads)])?;
    // Limits may be read, not set; a thread may name itself; a signal may be sent to oneself.
    allow(&mut rules, libc::SYS_prlimit64, &[(2, Qword, SeccompCmpOp::Eq, 0)])?;
    allow(&mut rules, libc::SYS_prctl, &[(0, Dword, SeccompCmpOp::Eq, libc::PR_SET_NAME as u64)])?;
    let me = u64::from(std::process::id());
    allow(&mut rules, libc::SYS_tgkill, &[(0, Dword, SeccompCmpOp::Eq, me)])?;
    for command in [libc::F_GETFD, libc::F_GETFL, libc::F_DUPFD_CLOEXEC] {
        allow(&mut rules, libc::SYS_fcntl, &[(1, Dword, SeccompCmpOp::Eq, command as u64)])?;
    }
    SeccompFilter::new(
        rules,
        SeccompAction::Errno(libc::EPERM as u32),
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into()?,
    )
}

type Condition = (u8, seccompiler::SeccompCmpArgLen, SeccompCmpOp, u64);

/// Allows `call` where all of `conditions` hold, besides what was allowed of it before.
fn allow(
    rules: &mut BTreeMap<c_long, Vec<SeccompRule>>,
    call: c_long,
    conditions: &[Condition],
) -> Result<(), seccompiler::BackendError> {
    let conditions: Result<Vec<_>, _> = conditions
        .iter()
        .cloned()
        .map(|(argument, width, test, value)| SeccompCondition::new(argument, width, test, value))
        .collect();
    rules.entry(call).or_default().push(SeccompRule::new(conditions?)?);
    Ok(())
}
