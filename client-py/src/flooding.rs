//! Charges a host for unsolicited work, and kills it when that exceeds its share of CPU time.

use hostd_client::Kill;
use std::time::Duration;

use hostd_protocol::control::LogLevel;
use hostd_protocol::ids::Generation;

use crate::addon::LoadedAddon;
use crate::flood::FloodLevel;
use crate::output;

impl LoadedAddon {
    /// Charges the host of this generation for unsolicited work.
    #[inline]
    pub(crate) fn charge(&self, generation: Generation, time: Duration) {
        let verdict = self.background.notices.charge(time);
        if verdict != FloodLevel::Within {
            self.answer_flood(generation, verdict);
        }
    }

    #[cold]
    pub(crate) fn kill(&self, generation: Generation, reason: Kill) {
        if let Ok(client) = self.client() {
            client.kill(generation, reason);
        }
    }

    /// Warns of the flood, or kills the host.
    #[cold]
    pub(crate) fn answer_flood(&self, generation: Generation, verdict: FloodLevel) {
        let limit = limit_of(self.background.notices.share());
        if verdict == FloodLevel::Warn {
            let message = format!(
                "the addon {} floods this process with notices, turns or unhandled errors; its host \
                 is killed if this goes on: {limit}",
                self.label()
            );
            return output::log(LogLevel::Warn, "flood", &message, None);
        }
        self.background.notices.reset();
        let reason = Kill::Flood(format!(
            "it flooded the client with notices, turns or unhandled errors: {limit}"
        ));
        self.kill(generation, reason);
    }
}

/// The limit of unsolicited work, as its option is written, and what raises it.
pub(crate) fn limit_of(share: f64) -> String {
    format!(
        "its limit is unsolicited_cpu={share}; load_addon(unsolicited_cpu={}) allows twice as much",
        share * 2.0
    )
}
