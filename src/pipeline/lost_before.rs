//! `lost_before`: what the records themselves say of those that are missing.

/// How many records were lost since the last event that was told. The kernel side counts by CPU, in every record.
#[derive(Debug, Default)]
pub struct LostCount {
    by_cpu: Vec<u64>,
    untold: u64,
}

impl LostCount {
    /// What a record says: so many were lost on this CPU since the start.
    pub fn note(&mut self, cpu: u16, total: u64) {
        let cpu = usize::from(cpu);
        if self.by_cpu.len() <= cpu {
            self.by_cpu.resize(cpu + 1, 0);
        }
        // A record may be overtaken by one of the same CPU; what it says is then already counted.
        if let Some(more) = total.checked_sub(self.by_cpu[cpu]) {
            self.by_cpu[cpu] = total;
            self.untold += more;
        }
    }

    /// So many were asked for and not told after all.
    pub fn give_back(&mut self, untold: u64) {
        self.untold += untold;
    }

    /// How many were lost since this was asked last.
    pub fn take(&mut self) -> u64 {
        std::mem::take(&mut self.untold)
    }
}

#[cfg(test)]
mod tests {
    use super::LostCount;

    #[test]
    fn each_loss_is_told_once() {
        let mut lost = LostCount::default();
        lost.note(1, 0);
        assert_eq!(lost.take(), 0);
        lost.note(1, 3);
        lost.note(0, 2);
        assert_eq!(lost.take(), 5);
        lost.note(1, 2);
        lost.note(1, 3);
        assert_eq!(lost.take(), 0);
    }
}
