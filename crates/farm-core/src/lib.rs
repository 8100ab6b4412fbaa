//! The pure rules of the farm: plan, lease, retry, explain.
