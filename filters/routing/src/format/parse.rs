//! How a format string is read: the grammar of Envoy's substitution formatter.

use pointsman_routes::names;

use super::{ATTRIBUTES, Line, Part};

const CURE: &str = "write a percent sign as `%%`";

/// A command, taken apart: `%NAME(parameter):length%`.
struct Command<'a> {
    name: &'a str,
    /// Empty parentheses are as good as none.
    parameter: &'a str,
    length: Option<u64>,
}

pub(super) fn parts(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        literal.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            literal.push('%');
            rest = after;
            continue;
        }
        let (command, after) =
            command(after).ok_or_else(|| format!("a `%` in it begins no command such as `%REQ(name)%`; {CURE}"))?;
        flush(&mut literal, &mut parts);
        parts.push(part(&command)?);
        rest = after;
    }
    literal.push_str(rest);
    flush(&mut literal, &mut parts);
    Ok(parts)
}

fn flush(literal: &mut String, parts: &mut Vec<Part>) {
    if !literal.is_empty() {
        parts.push(Part::Text(literal.as_bytes().into()));
        literal.clear();
    }
}

/// The command that the text begins with, behind its first `%`, and what follows its last.
fn command(text: &str) -> Option<(Command<'_>, &str)> {
    let is_of_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let (name, mut rest) = text.split_at_checked(text.find(|c| !is_of_name(c))?)?;
    let mut parameter = "";
    if let Some(open) = rest.strip_prefix('(') {
        (parameter, rest) = open.split_once(')')?;
    }
    let mut length = None;
    if let Some(number) = rest.strip_prefix(':') {
        let (digits, after) = number.split_at_checked(number.find(|c: char| !c.is_ascii_digit())?)?;
        length = Some(digits.parse().ok()?);
        rest = after;
    }
    let after = rest.strip_prefix('%')?;
    (!name.is_empty()).then_some((Command { name, parameter, length }, after))
}

fn part(command: &Command<'_>) -> Result<Part, String> {
    match command.name {
        "REQ" => return line(command).map(Part::RequestHeader),
        "RESP" => return line(command).map(Part::ResponseHeader),
        _ => {}
    }
    let name = command.name;
    let Some(attribute) = ATTRIBUTES.iter().find(|attribute| attribute.command == name) else {
        let cure = match name {
            "RESPONSE_CODE" => "; for the status, say `%RESP(:status)%`",
            "PATH" => "; for the path, say `%REQ(:path)%`",
            _ => "",
        };
        let known: Vec<String> = ATTRIBUTES.iter().map(|attribute| format!("%{}%", attribute.command)).collect();
        let known = known.join(", ");
        return Err(format!(
            "`%{name}%` is none of the commands that a filter can compute{cure}. It can: %REQ(name?alternative):length%, \
             %RESP(name?alternative):length%, {known}"
        ));
    };
    if !command.parameter.is_empty() || command.length.is_some() {
        return Err(format!("`%{name}%` takes neither a parameter nor a length"));
    }
    Ok(Part::Attribute(attribute))
}

/// `name?alternative`, either of which may be left out.
fn line(command: &Command<'_>) -> Result<Line, String> {
    let (name, alternative) = command.parameter.split_once('?').unwrap_or((command.parameter, ""));
    let command_name = command.name;
    if name.is_empty() && alternative.is_empty() {
        return Err(format!("`%{command_name}%` needs a header's name: `%{command_name}(name)%`"));
    }
    if alternative.contains('?') {
        return Err(format!("`%{command_name}({})%` has more than one alternative", command.parameter));
    }
    if let Some(wrong) = [name, alternative].into_iter().find(|name| !is_name(name)) {
        return Err(format!("`{wrong}` in `%{command_name}({})%` is not a header's name", command.parameter));
    }
    Ok(Line {
        name: names::in_map(name),
        alternative: names::in_map(alternative),
        most: command.length.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX)),
    })
}

/// A token, or a pseudo-header's name.
fn is_name(name: &str) -> bool {
    let name = name.strip_prefix(':').unwrap_or(name);
    name.is_empty() || names::is_token(name)
}
