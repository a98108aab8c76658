//! Time as logs write it, made once a second.

use std::time::{SystemTime, UNIX_EPOCH};

/// A second in the two notations of logs. In UTC: the local zone can change under a running
/// process, and in autumn it says one hour twice.
#[derive(Debug)]
pub(super) struct Stamp {
    second: u64,
    millis: u16,
    /// `10/Oct/2000:13:55:36 +0000`
    combined: [u8; 26],
    /// `2000-10-10T13:55:36`
    rfc3339: [u8; 19],
}

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];
/// Days from 0000-03-01, where eras of 400 years begin, to 1970-01-01.
const DAYS_TO_1970: u64 = 719_468;
const DAYS_OF_ERA: u64 = 146_097;
/// 9999-12-31T23:59:59: later ones have no notation.
const LAST_SECOND: u64 = 253_402_300_799;

impl Default for Stamp {
    fn default() -> Self {
        let mut stamp = Self {
            second: 0,
            millis: 0,
            combined: *b"dd/Mon/yyyy:hh:mm:ss +0000",
            rfc3339: *b"yyyy-mm-ddThh:mm:ss",
        };
        stamp.write();
        stamp
    }
}

impl Stamp {
    /// Times before 1970 count as its beginning.
    pub(super) fn set(&mut self, time: SystemTime) {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.millis = u16::try_from(since.subsec_millis()).unwrap_or_default();
        let second = since.as_secs().min(LAST_SECOND);
        if second != self.second {
            self.second = second;
            self.write();
        }
    }

    /// As in the combined format, without its brackets.
    pub(super) fn combined(&self) -> &[u8] {
        &self.combined
    }

    /// RFC 3339 with milliseconds.
    pub(super) fn rfc3339(&self, out: &mut Vec<u8>) {
        let mut fraction = *b".000Z";
        digits(&mut fraction[1..4], self.millis.into());
        out.extend_from_slice(&self.rfc3339);
        out.extend_from_slice(&fraction);
    }

    /// As RFC 3164 §4.1.2 writes it: `Oct 10 13:55:36`, a day below ten after two spaces.
    pub(super) fn rfc3164(&self, out: &mut Vec<u8>) {
        let day = &self.combined[..2];
        out.extend_from_slice(&self.combined[3..6]);
        out.extend_from_slice(&[b' ', if day[0] == b'0' { b' ' } else { day[0] }, day[1], b' ']);
        out.extend_from_slice(&self.combined[12..20]);
    }

    fn write(&mut self) {
        let (year, month, day) = date(self.second / 86_400);
        let (hour, minute, second) =
            (self.second / 3_600 % 24, self.second / 60 % 60, self.second % 60);
        let name = MONTHS[usize::try_from(month - 1).expect("months are 1 to 12")];
        let combined = &mut self.combined;
        combined[3..6].copy_from_slice(name);
        for (place, number) in
            [(0..2, day), (7..11, year), (12..14, hour), (15..17, minute), (18..20, second)]
        {
            digits(&mut combined[place], number);
        }
        for (place, number) in [
            (0..4, year),
            (5..7, month),
            (8..10, day),
            (11..13, hour),
            (14..16, minute),
            (17..19, second),
        ] {
            digits(&mut self.rfc3339[place], number);
        }
    }
}

/// Year, month and day of a day since 1970, in the Gregorian calendar.
///
/// Counted from March, leap days come last: months then begin at `(153 × month + 2) / 5` days.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_TO_1970;
    let (era, day_of_era) = (days / DAYS_OF_ERA, days % DAYS_OF_ERA);
    let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // 0 is March.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = 400 * era + year_of_era;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

/// Fills `place` with the last digits of `number`.
fn digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).expect("below ten");
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn seconds_have_the_dates_of_the_calendar() {
        let check = |millis: u64, combined: &str, rfc3339: &str| {
            let mut stamp = Stamp::default();
            stamp.set(UNIX_EPOCH + Duration::from_millis(millis));
            let mut out = Vec::new();
            stamp.rfc3339(&mut out);
            assert_eq!(String::from_utf8_lossy(stamp.combined()), combined);
            assert_eq!(String::from_utf8_lossy(&out), rfc3339);
        };
        check(0, "01/Jan/1970:00:00:00 +0000", "1970-01-01T00:00:00.000Z");
        check(951_782_399_999, "28/Feb/2000:23:59:59 +0000", "2000-02-28T23:59:59.999Z");
        check(951_782_400_000, "29/Feb/2000:00:00:00 +0000", "2000-02-29T00:00:00.000Z");
        check(971_211_336_007, "10/Oct/2000:20:55:36 +0000", "2000-10-10T20:55:36.007Z");
        check(1_709_251_199_000, "29/Feb/2024:23:59:59 +0000", "2024-02-29T23:59:59.000Z");
        check(1_735_689_599_000, "31/Dec/2024:23:59:59 +0000", "2024-12-31T23:59:59.000Z");
        check(4_107_542_400_000, "01/Mar/2100:00:00:00 +0000", "2100-03-01T00:00:00.000Z");
        check(u64::MAX / 1_000, "31/Dec/9999:23:59:59 +0000", "9999-12-31T23:59:59.551Z");
    }

    #[test]
    fn rfc_3164_has_no_year_and_no_zero() {
        let shown = |seconds: u64| {
            let mut stamp = Stamp::default();
            stamp.set(UNIX_EPOCH + Duration::from_secs(seconds));
            let mut out = Vec::new();
            stamp.rfc3164(&mut out);
            String::from_utf8_lossy(&out).into_owned()
        };
        assert_eq!(shown(0), "Jan  1 00:00:00");
        assert_eq!(shown(971_211_336), "Oct 10 20:55:36");
    }

    #[test]
    fn a_stamp_follows_the_clock_back_and_forth() {
        let mut stamp = Stamp::default();
        stamp.set(UNIX_EPOCH + Duration::from_hours(24));
        stamp.set(UNIX_EPOCH - Duration::from_secs(1));
        assert_eq!(stamp.combined(), b"01/Jan/1970:00:00:00 +0000");
    }
}
