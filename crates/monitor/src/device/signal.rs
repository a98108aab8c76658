//! What a simulated device measures: smooth, a little noisy, and different for each.

use crate::reading::Fields;

/// A source of readings.
#[derive(Debug)]
pub(super) struct Signal {
    phase: f64,
    noise: u64,
}

impl Signal {
    /// The source of the device `name`.
    pub(super) fn new(name: &str) -> Self {
        let mix = |sum: u64, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let noise = name.bytes().fold(0xcbf2_9ce4_8422_2325, mix);
        Self { phase: f64::from(u16::try_from(noise % 628).unwrap_or(0)) / 100.0, noise }
    }

    /// What is measured at `now_ms`.
    pub(super) fn measure(&mut self, now_ms: u64) -> Fields {
        let seconds = std::time::Duration::from_millis(now_ms % 86_400_000).as_secs_f64();
        let temperature = 21.0 + 4.0 * (seconds / 47.0 + self.phase).sin() + self.chance(0.4);
        let humidity = 45.0 + 12.0 * (seconds / 71.0 - self.phase).cos() + self.chance(1.5);
        let voltage = 3.3 + self.chance(0.04);
        let fields = [("temperature", temperature), ("humidity", humidity), ("voltage", voltage)];
        Fields::rounded(&fields)
    }

    /// A number from `-width` to `width`.
    fn chance(&mut self, width: f64) -> f64 {
        self.noise = self.noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let top = u32::try_from(self.noise >> 32).unwrap_or(0);
        (f64::from(top) / f64::from(u32::MAX) * 2.0 - 1.0) * width
    }
}
