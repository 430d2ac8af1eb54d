//! Prometheus' text format 0.0.4, for the textfile collector of the node exporter: no time stamps, which it refuses.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use super::super::report::{Report, Verdict};
use super::words;
use crate::health::classic;

pub(super) fn prometheus(report: &Report) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Told(report.clone())));
    let mut open = String::new();
    text::encode(&mut open, &registry)?;
    classic(&open)
}

#[derive(Debug)]
struct Told(Report);

const VERDICTS: [Verdict; 4] = [Verdict::Ok, Verdict::Warn, Verdict::Fail, Verdict::Unknown];

impl Collector for Told {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Self(report) = self;
        let about = [
            ("version", report.agent.version.as_str()),
            ("mode", words::mode_word(report.mode)),
            ("profile", &report.profile.name),
        ];
        encoder
            .encode_descriptor("pinhole_doctor", "The doctor and how it looked", None, MetricType::Info)?
            .encode_info(&about)?;

        let mut family = encoder.encode_descriptor(
            "pinhole_doctor_check",
            "How a check ended; one that somebody has accepted is suppressed",
            None,
            MetricType::Gauge,
        )?;
        for check in &report.checks {
            let status = match check.suppressed {
                Some(_) => "suppressed",
                None => check.status.as_str(),
            };
            let labels = [("id", check.id.as_ref()), ("area", &check.area), ("status", status)];
            ConstGauge::new(1_u64).encode(family.encode_family(&labels)?)?;
        }

        let mut family = encoder.encode_descriptor(
            "pinhole_doctor_checks",
            "Checks by how they ended",
            None,
            MetricType::Gauge,
        )?;
        let counts = report.counts;
        for (status, count) in [
            ("ok", counts.ok),
            ("warn", counts.warn),
            ("fail", counts.fail),
            ("unknown", counts.unknown),
            ("skipped", counts.skipped),
            ("suppressed", counts.suppressed),
        ] {
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            ConstGauge::new(count).encode(family.encode_family(&[("status", status)])?)?;
        }

        let mut family = encoder.encode_descriptor(
            "pinhole_doctor_verdict",
            "1 for the worst of all checks, 0 for the other verdicts",
            None,
            MetricType::Gauge,
        )?;
        for verdict in VERDICTS {
            let is = u64::from(verdict == report.verdict);
            ConstGauge::new(is).encode(family.encode_family(&[("verdict", words::verdict(verdict))])?)?;
        }

        let mut seconds = |name: &str, help: &str, seconds: f64| {
            let metric = encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Gauge)?;
            ConstGauge::new(seconds).encode(metric)
        };
        if let Some(us) = report.duration_us {
            seconds(
                "pinhole_doctor_duration",
                "How long the examination took",
                whole(us) / 1e6,
            )?;
        }
        if let Ok(time) = report.time.parse::<jiff::Timestamp>() {
            let milliseconds = u64::try_from(time.as_millisecond()).unwrap_or(0);
            let help = "When the examination began, since the epoch";
            seconds("pinhole_doctor_time", help, whole(milliseconds) / 1e3)?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch fit")]
fn whole(number: u64) -> f64 {
    number as f64
}
