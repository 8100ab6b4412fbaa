//! The farm's master: uploads, jobs, leases, submits, assembly.
