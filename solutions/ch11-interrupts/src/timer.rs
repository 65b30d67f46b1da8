//! What the guest has set the timer to: Intel 8254, channel 0.

use kvm_bindings::kvm_pit_channel_state;

/// How often per second a channel counts.
const PIT_HZ: f64 = 1_193_182.0;

/// KVM's mode for a channel that nobody has set. `kvm_pit_reset_pit` of `arch/x86/kvm/i8254.c`.
const MODE_NONE: u8 = 0xff;

/// A line about a channel.
pub fn describe(channel: &kvm_pit_channel_state) -> String {
    let kvm_pit_channel_state { count, mode, .. } = *channel;
    if mode == MODE_NONE {
        return "  timer: not set\n".to_owned();
    }
    format!("  timer: count {count}, mode {mode}, {:.1} Hz\n", PIT_HZ / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_set_or_not() {
        let line =
            |count, mode| describe(&kvm_pit_channel_state { count, mode, ..Default::default() });
        assert_eq!(line(59_659, 2), "  timer: count 59659, mode 2, 20.0 Hz\n");
        assert_eq!(line(65_536, 3), "  timer: count 65536, mode 3, 18.2 Hz\n");
        assert_eq!(line(65_536, MODE_NONE), "  timer: not set\n");
    }
}
