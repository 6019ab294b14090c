//! The state of a thing as bytes, little-endian, and back.

/// Bytes that a state is written to or read from.
///
/// A state names its parts in one order, once for both ways: each call writes the number that it is given, or replaces it by the one that
/// stands next. What is read is of the right form, or it is a [`Misfit`]; numbers with a fraction are finite.
#[derive(Debug)]
pub(crate) enum Archive<'a> {
    /// The bytes so far.
    Out(Vec<u8>),
    /// The bytes that are left.
    In(&'a [u8]),
}

/// What bytes should have held and do not, with its article or as a plural.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Misfit(pub(crate) &'static str);

impl Archive<'_> {
    /// Whether it is read.
    pub(crate) const fn is_read(&self) -> bool {
        matches!(self, Self::In(_))
    }

    /// The bytes that are left, or 0 where it is written.
    pub(crate) const fn n_left(&self) -> usize {
        match self {
            Self::Out(_) => 0,
            Self::In(bytes) => bytes.len(),
        }
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &mut [u8]) -> Result<(), Misfit> {
        match self {
            Self::Out(out) => out.extend_from_slice(bytes),
            Self::In(left) => {
                let (next, rest) = left.split_at_checked(bytes.len()).ok_or(Misfit("more bytes"))?;
                bytes.copy_from_slice(next);
                *left = rest;
            }
        }
        Ok(())
    }

    fn fixed<const N: usize>(&mut self, mut bytes: [u8; N]) -> Result<[u8; N], Misfit> {
        self.bytes(&mut bytes)?;
        Ok(bytes)
    }

    /// A byte.
    pub(crate) fn u8(&mut self, number: &mut u8) -> Result<(), Misfit> {
        [*number] = self.fixed([*number])?;
        Ok(())
    }

    /// A whole number, in eight bytes.
    pub(crate) fn i64(&mut self, number: &mut i64) -> Result<(), Misfit> {
        *number = i64::from_le_bytes(self.fixed(number.to_le_bytes())?);
        Ok(())
    }

    /// A finite number.
    pub(crate) fn f64(&mut self, number: &mut f64) -> Result<(), Misfit> {
        *number = f64::from_le_bytes(self.fixed(number.to_le_bytes())?);
        if number.is_finite() || !self.is_read() { Ok(()) } else { Err(Misfit("a finite number")) }
    }

    /// A finite number.
    pub(crate) fn f32(&mut self, number: &mut f32) -> Result<(), Misfit> {
        *number = f32::from_le_bytes(self.fixed(number.to_le_bytes())?);
        if number.is_finite() || !self.is_read() { Ok(()) } else { Err(Misfit("a finite number")) }
    }

    /// Yes or no.
    pub(crate) fn flag(&mut self, flag: &mut bool) -> Result<(), Misfit> {
        let mut byte = u8::from(*flag);
        self.u8(&mut byte)?;
        *flag = byte == 1;
        if byte <= 1 { Ok(()) } else { Err(Misfit("yes or no")) }
    }

    /// A whole number, in a byte for each seven of its bits.
    pub(crate) fn u64(&mut self, number: &mut u64) -> Result<(), Misfit> {
        const TOO_LARGE: Misfit = Misfit("a smaller number");
        match self {
            Self::Out(out) => {
                let mut left = *number;
                while left >= 0x80 {
                    out.push(left as u8 | 0x80);
                    left >>= 7;
                }
                out.push(left as u8);
            }
            Self::In(_) => {
                *number = 0;
                for shift in (0..u64::BITS).step_by(7) {
                    let [byte] = self.fixed([0])?;
                    let bits = u64::from(byte & 0x7f);
                    if bits << shift >> shift != bits {
                        return Err(TOO_LARGE);
                    }
                    *number |= bits << shift;
                    if byte < 0x80 {
                        return Ok(());
                    }
                }
                return Err(TOO_LARGE);
            }
        }
        Ok(())
    }

    /// A whole number of at most 32 bits, as [`Self::u64`] has it.
    pub(crate) fn u32(&mut self, number: &mut u32) -> Result<(), Misfit> {
        let mut wide = u64::from(*number);
        self.u64(&mut wide)?;
        *number = u32::try_from(wide).map_err(|_| Misfit("a number of 32 bits"))?;
        Ok(())
    }

    /// A number of things of which each takes a byte at least.
    pub(crate) fn len(&mut self, mut len: usize) -> Result<usize, Misfit> {
        let mut wide = len as u64;
        self.u64(&mut wide)?;
        if self.is_read() {
            len = usize::try_from(wide).map_err(|_| Misfit("a smaller number"))?;
            if len > self.n_left() {
                return Err(Misfit("more bytes"));
            }
        }
        Ok(len)
    }

    /// Bytes of which neighbours are often the same: each with how often it stands in a row.
    pub(crate) fn runs(&mut self, bytes: &mut [u8]) -> Result<(), Misfit> {
        let mut at = 0;
        while at < bytes.len() {
            let mut n = bytes[at..].iter().take_while(|byte| **byte == bytes[at]).count() as u64;
            self.u8(&mut bytes[at])?;
            self.u64(&mut n)?;
            let end = usize::try_from(n).ok().filter(|&n| n > 0).and_then(|n| at.checked_add(n));
            let end = end.filter(|&end| end <= bytes.len()).ok_or(Misfit("runs of the right length"))?;
            let byte = bytes[at];
            bytes[at..end].fill(byte);
            at = end;
        }
        Ok(())
    }

    /// Something that may be missing; `empty`: what is replaced where it is there.
    pub(crate) fn option<T>(
        &mut self,
        option: &mut Option<T>,
        empty: impl FnOnce() -> T,
        archive: impl FnOnce(&mut T, &mut Self) -> Result<(), Misfit>,
    ) -> Result<(), Misfit> {
        let mut is_some = option.is_some();
        self.flag(&mut is_some)?;
        if !is_some {
            *option = None;
            return Ok(());
        }
        archive(option.get_or_insert_with(empty), self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Archive<'_>) -> Result<(), Misfit>) -> Vec<u8> {
        let mut archive = Archive::Out(Vec::new());
        write(&mut archive).unwrap();
        let Archive::Out(bytes) = archive else { unreachable!("it is written") };
        bytes
    }

    #[test]
    fn numbers_by_hand() {
        let got = written(|archive| {
            archive.u64(&mut 5)?;
            archive.u64(&mut 300)?;
            archive.flag(&mut true)?;
            archive.f32(&mut 1.0)?;
            archive.i64(&mut -2)?;
            archive.runs(&mut [7, 7, 7, 0])
        });
        // 300 = 2 · 128 + 44.
        let want = [5, 0x80 | 44, 2, 1, 0, 0, 0x80, 0x3f, 0xfe, 255, 255, 255, 255, 255, 255, 255, 7, 3, 0, 1];
        assert_eq!(got, want);
    }

    #[test]
    fn what_is_of_another_form_is_refused() {
        let read = |bytes: &[u8], read: &dyn Fn(&mut Archive<'_>) -> Result<(), Misfit>| read(&mut Archive::In(bytes));
        let nan = f64::NAN.to_le_bytes();
        assert_eq!(read(&nan, &|archive| archive.f64(&mut 0.0)), Err(Misfit("a finite number")));
        assert_eq!(read(&nan[..7], &|archive| archive.f64(&mut 0.0)), Err(Misfit("more bytes")));
        assert_eq!(read(&[2], &|archive| archive.flag(&mut true)), Err(Misfit("yes or no")));
        assert_eq!(read(&[0xff; 10], &|archive| archive.u64(&mut 0)), Err(Misfit("a smaller number")));
        assert_eq!(read(&[9], &|archive| archive.len(0).map(|_| ())), Err(Misfit("more bytes")));
        for runs in [[7, 5], [7, 0]] {
            let got = read(&runs, &|archive| archive.runs(&mut [0; 4]));
            assert_eq!(got, Err(Misfit("runs of the right length")));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_was_written_is_read(
            number: u64,
            shift in 0..64_u32,
            bytes in prop::collection::vec(0..3_u8, 0..50),
            maybe in prop::option::of(-1e300..1e300),
        ) {
            let number = number >> shift;
            let written = written(|archive| {
                archive.u64(&mut number.clone())?;
                archive.runs(&mut bytes.clone())?;
                archive.option(&mut maybe.clone(), || 0.0, |number, archive| archive.f64(number))
            });
            let mut archive = Archive::In(&written);
            let (mut got, mut got_bytes, mut got_maybe) = (1, vec![9; bytes.len()], Some(5.0));
            archive.u64(&mut got).unwrap();
            archive.runs(&mut got_bytes).unwrap();
            archive.option(&mut got_maybe, || 0.0, |number, archive| archive.f64(number)).unwrap();
            prop_assert_eq!((got, got_bytes, got_maybe, archive.n_left()), (number, bytes, maybe, 0));
        }
    }
}
