//! The cells of a column of whatever type as texts and numbers.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, LargeStringArray};
use arrow_schema::{DataType, TimeUnit};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Whether cells are numbers of any kind, truth values among them, as they are or by a dictionary.
pub(super) fn is_number(ty: &DataType) -> bool {
    match ty {
        DataType::Boolean | DataType::Decimal128(..) | DataType::Decimal256(..) => true,
        DataType::Dictionary(_, values) => is_number(values),
        ty => ty.is_integer() || ty.is_floating(),
    }
}

/// Whether cells are texts, as they are or by a dictionary.
pub(super) fn is_text(ty: &DataType) -> bool {
    match ty {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// Texts, and integers as texts; null for every cell of another type.
pub(super) fn texts(cells: &ArrayRef) -> LargeStringArray {
    match cells.data_type() {
        DataType::Utf8 => cells.as_string::<i32>().iter().collect(),
        DataType::LargeUtf8 => cells.as_string::<i64>().clone(),
        DataType::Utf8View => cells.as_string_view().iter().collect(),
        DataType::Dictionary(..) => {
            let cells = cells.as_any_dictionary();
            let values = texts(cells.values());
            if values.is_empty() {
                return LargeStringArray::new_null(cells.len());
            }
            let keys = cells.normalized_keys().into_iter().enumerate();
            let is_text = |i: usize, key: usize| cells.is_valid(i) && values.is_valid(key);
            keys.map(|(i, key)| is_text(i, key).then(|| values.value(key))).collect()
        }
        DataType::UInt64 => each::<UInt64Type, _>(cells, |integer| integer.to_string()).into_iter().collect(),
        _ => integers(cells).into_iter().map(|integer| integer.map(|integer| integer.to_string())).collect(),
    }
}

/// Integers, and what dates and timestamps hold in their own unit; `None` for null, for what is above `i64::MAX`, and for
/// every cell of another type.
pub(super) fn integers(cells: &ArrayRef) -> Vec<Option<i64>> {
    match cells.data_type() {
        DataType::Int8 => each::<Int8Type, _>(cells, i64::from),
        DataType::Int16 => each::<Int16Type, _>(cells, i64::from),
        DataType::Int32 => each::<Int32Type, _>(cells, i64::from),
        DataType::Int64 => each::<Int64Type, _>(cells, |integer| integer),
        DataType::UInt8 => each::<UInt8Type, _>(cells, i64::from),
        DataType::UInt16 => each::<UInt16Type, _>(cells, i64::from),
        DataType::UInt32 => each::<UInt32Type, _>(cells, i64::from),
        DataType::UInt64 => {
            let integers = each::<UInt64Type, _>(cells, |integer| i64::try_from(integer).ok());
            integers.into_iter().map(Option::flatten).collect()
        }
        DataType::Date32 => each::<Date32Type, _>(cells, i64::from),
        DataType::Date64 => each::<Date64Type, _>(cells, |integer| integer),
        DataType::Timestamp(unit, _) => match unit {
            TimeUnit::Second => each::<TimestampSecondType, _>(cells, |integer| integer),
            TimeUnit::Millisecond => each::<TimestampMillisecondType, _>(cells, |integer| integer),
            TimeUnit::Microsecond => each::<TimestampMicrosecondType, _>(cells, |integer| integer),
            TimeUnit::Nanosecond => each::<TimestampNanosecondType, _>(cells, |integer| integer),
        },
        _ => vec![None; cells.len()],
    }
}

/// Numbers, and truth values as 0 and 1; `None` for null and for every cell of another type.
pub(super) fn numbers(cells: &ArrayRef) -> Vec<Option<f64>> {
    match cells.data_type() {
        DataType::Float16 => each::<Float16Type, _>(cells, f64::from),
        DataType::Float32 => each::<Float32Type, _>(cells, f64::from),
        DataType::Float64 => each::<Float64Type, _>(cells, |number| number),
        DataType::Boolean => cells.as_boolean().iter().map(|truth| truth.map(f64::from)).collect(),
        DataType::UInt64 => each::<UInt64Type, _>(cells, |integer| integer as f64),
        DataType::Decimal128(_, scale) => {
            let unit = 10_f64.powi(i32::from(*scale));
            each::<Decimal128Type, _>(cells, |integer| integer as f64 / unit)
        }
        DataType::Decimal256(_, scale) => {
            let unit = 10_f64.powi(i32::from(*scale));
            each::<Decimal256Type, _>(cells, |integer| integer.to_string().parse().unwrap_or(f64::NAN) / unit)
        }
        DataType::Dictionary(..) => {
            let cells = cells.as_any_dictionary();
            let values = numbers(cells.values());
            if values.is_empty() {
                return vec![None; cells.len()];
            }
            let keys = cells.normalized_keys().into_iter().enumerate();
            keys.map(|(i, key)| if cells.is_valid(i) { values[key] } else { None }).collect()
        }
        _ => integers(cells).into_iter().map(|integer| integer.map(|integer| integer as f64)).collect(),
    }
}

fn each<T: ArrowPrimitiveType, N>(cells: &ArrayRef, convert: impl Fn(T::Native) -> N) -> Vec<Option<N>> {
    cells.as_primitive::<T>().iter().map(|cell| cell.map(&convert)).collect()
}

/// A cell for a message.
pub(super) fn display(cells: &ArrayRef, i: usize) -> String {
    if cells.is_null(i) {
        return "null".to_owned();
    }
    let cell = cells.slice(i, 1);
    let shown = match cell.data_type() {
        DataType::Boolean => Some(cell.as_boolean().value(0).to_string()),
        DataType::Float32 => Some(format!("{:?}", cell.as_primitive::<Float32Type>().value(0))),
        DataType::Decimal128(..) | DataType::Decimal256(..) => numbers(&cell)[0].map(|number| format!("{number:?}")),
        DataType::Dictionary(_, values) if is_number(values) => numbers(&cell)[0].map(|number| format!("{number:?}")),
        ty if ty.is_floating() => numbers(&cell)[0].map(|number| format!("{number:?}")),
        DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 => integers(&cell)[0].map(|integer| {
            let calendar = calendar(cell.data_type(), integer);
            calendar.unwrap_or_else(|| format!("{integer} of the type {}", cell.data_type()))
        }),
        _ => Some(texts(&cell)).filter(|texts| texts.is_valid(0)).map(|texts| texts.value(0).to_owned()),
    };
    shown.unwrap_or_else(|| format!("a value of the type {}", cells.data_type()))
}

/// A date or timestamp as text; `None` outside of the calendar.
fn calendar(ty: &DataType, integer: i64) -> Option<String> {
    let timestamp = match ty {
        DataType::Date32 => Timestamp::from_second(integer.checked_mul(86_400)?),
        DataType::Timestamp(TimeUnit::Second, _) => Timestamp::from_second(integer),
        DataType::Timestamp(TimeUnit::Microsecond, _) => Timestamp::from_microsecond(integer),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => Timestamp::from_nanosecond(integer.into()),
        _ => Timestamp::from_millisecond(integer),
    }
    .ok()?;
    let civil = TimeZone::UTC.to_datetime(timestamp);
    Some(match ty {
        DataType::Date32 => civil.date().to_string(),
        DataType::Timestamp(_, Some(_)) => timestamp.to_string(),
        _ => civil.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::UInt8Type;
    use arrow_array::{
        BooleanArray, Date32Array, DictionaryArray, Float32Array, StringViewArray, TimestampMillisecondArray,
        TimestampSecondArray, UInt64Array,
    };

    use super::*;

    fn shown(cells: impl Array + 'static) -> Vec<String> {
        let cells: ArrayRef = Arc::new(cells);
        (0..cells.len()).map(|i| display(&cells, i)).collect()
    }

    #[test]
    fn a_cell_is_shown_as_it_stands() {
        assert_eq!(shown(Float32Array::from(vec![Some(0.1), Some(1e20), None])), ["0.1", "1e20", "null"]);
        assert_eq!(shown(UInt64Array::from(vec![u64::MAX])), ["18446744073709551615"]);
        assert_eq!(shown(BooleanArray::from(vec![true])), ["true"]);
        assert_eq!(shown(Date32Array::from(vec![1])), ["1970-01-02"]);
        assert_eq!(shown(TimestampMillisecondArray::from(vec![1_500])), ["1970-01-01T00:00:01.5"]);
        let zoned = TimestampSecondArray::from(vec![95_617_584_000, i64::MAX]).with_timezone("UTC");
        let far = format!("{} of the type Timestamp(s, \"UTC\")", i64::MAX);
        assert_eq!(shown(zoned), ["5000-01-01T00:00:00Z".to_owned(), far]);
    }

    #[test]
    fn an_integer_that_64_bits_cannot_hold_is_a_number_and_a_text() {
        let cells: ArrayRef = Arc::new(UInt64Array::from(vec![Some(u64::MAX), None, Some(7)]));
        assert_eq!(integers(&cells), [None, None, Some(7)]);
        assert_eq!(numbers(&cells), [Some(18_446_744_073_709_552_000.0), None, Some(7.0)]);
        let texts = texts(&cells);
        assert_eq!(texts.iter().collect::<Vec<_>>(), [Some("18446744073709551615"), None, Some("7")]);
    }

    #[test]
    fn a_text_is_found_by_a_dictionary_and_null_has_none() {
        let words: DictionaryArray<UInt8Type> = ["a", "b", "a"].into_iter().map(Some).chain([None]).collect();
        let view = StringViewArray::from(vec![Some("a"), Some("b"), Some("a"), None]);
        for cells in [Arc::new(words) as ArrayRef, Arc::new(view)] {
            assert!(is_text(cells.data_type()));
            assert_eq!(texts(&cells).iter().collect::<Vec<_>>(), [Some("a"), Some("b"), Some("a"), None]);
            assert_eq!(display(&cells.slice(1, 3), 0), "b");
        }
        let empty: DictionaryArray<UInt8Type> = [None::<&str>, None].into_iter().collect();
        assert_eq!(texts(&(Arc::new(empty) as ArrayRef)).null_count(), 2);
    }
}
