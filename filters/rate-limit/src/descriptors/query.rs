//! Query parameters as Envoy's rate limits read them: percent-decoded, where its routes take them as they stand.

use std::borrow::Cow;

use pointsman_http::query::params;

/// The value of the first parameter of that name.
pub fn first<'a>(query: &'a [u8], name: &[u8]) -> Option<Cow<'a, [u8]>> {
    params(query).find(|(found, _)| *decoded(found) == *name).map(|(_, value)| decoded(value))
}

/// `%41` is `A`, and `+` is `+`. What is no such code stays.
fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'%') {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, behind @ ..] = rest {
        rest = match behind {
            [high, low, behind @ ..]
                if *first == b'%'
                    && let Some(byte) = byte(*high, *low) =>
            {
                decoded.push(byte);
                behind
            }
            _ => {
                decoded.push(*first);
                behind
            }
        };
    }
    Cow::Owned(decoded)
}

fn byte(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    digit(high)?.checked_mul(16)?.checked_add(digit(low)?)?.try_into().ok()
}
