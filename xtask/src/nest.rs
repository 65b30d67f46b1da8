//! The nest: an emulated machine with a complete KVM.
