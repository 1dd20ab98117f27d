//! Envoy's RateLimit.Action, and two of ours: `path` and `jwtClaim`.

mod compile;

use std::rc::Rc;

use pointsman_http::Template;
use pointsman_wire::{Cursor, Decode, check_one, list, message, whole_or};

use super::{Nothing, read_descriptor_text, read_descriptor_text_if_any, read_header_name, read_required};
use crate::descriptors::{HeaderCondition, QueryCondition};

message! {
    /// As it is written: one of them.
    pub struct ActionFields = "RateLimit.Action" {
        /// The value of a header: of its first line.
        request_headers: Option<RequestHeaders> = "requestHeaders",
        /// The client's address.
        remote_address: Option<Nothing> = "remoteAddress",
        /// The network of the client's address.
        masked_remote_address: Option<MaskedRemoteAddress> = "maskedRemoteAddress",
        /// A text, always.
        generic_key: Option<GenericKey> = "genericKey",
        /// A text, if headers are so.
        header_value_match: Option<HeaderValueMatch> = "headerValueMatch",
        /// The value of a query parameter: of the first of its name.
        query_parameters: Option<QueryParameters> = "queryParameters",
        /// A text, if query parameters are so.
        query_parameter_value_match: Option<QueryParameterValueMatch> = "queryParameterValueMatch",
        /// The cluster that the request goes to.
        destination_cluster: Option<Nothing> = "destinationCluster",
        /// The cluster that this Envoy says it belongs to.
        source_cluster: Option<Nothing> = "sourceCluster",
        /// A text in metadata.
        metadata: Option<MetaData> = "metadata",
        /// A path of that form. Ours.
        path: Option<Path> = "path",
        /// A claim of a token that Envoy has checked. Ours.
        jwt_claim: Option<JwtClaim> = "jwtClaim",
    }
    refused {
        "dynamicMetadata": "Envoy has given it up: use metadata",
        "extension": "a filter cannot run Envoy's extensions",
        "remoteAddressMatch": "it is not done here: use maskedRemoteAddress, with descriptors for the networks",
    }
    check check_action;
}

message! {
    /// The value of a header.
    pub struct RequestHeaders = "RequestHeaders" {
        /// Its name.
        header_name: Rc<[u8]> = "headerName" as read_header_name,
        /// The entry's key.
        descriptor_key: String = "descriptorKey" as read_descriptor_text,
        /// Whether the descriptor does without it if it is not there.
        skip_if_absent: bool = "skipIfAbsent",
    }
}

message! {
    /// The network of an address.
    pub struct MaskedRemoteAddress = "MaskedRemoteAddress" {
        /// How many bits of an IPv4 address.
        v4: u8 = "v4PrefixMaskLen" as read_v4,
        /// How many bits of an IPv6 address.
        v6: u8 = "v6PrefixMaskLen" as read_v6,
    }
}

message! {
    /// A text.
    pub struct GenericKey = "GenericKey" {
        /// The text.
        descriptor_value: String = "descriptorValue" as read_descriptor_text,
        /// The entry's key, `generic_key` if it is left out.
        descriptor_key: String = "descriptorKey" as read_descriptor_text_if_any,
    }
}

message! {
    /// A text, if headers are so.
    pub struct HeaderValueMatch = "HeaderValueMatch" {
        /// The text.
        descriptor_value: String = "descriptorValue" as read_descriptor_text,
        /// The entry's key, `header_match` if it is left out.
        descriptor_key: String = "descriptorKey" as read_descriptor_text_if_any,
        /// Whether all are to be so, or not all.
        expect_match: Option<bool> = "expectMatch",
        /// How they are to be.
        headers: Vec<HeaderCondition> = "headers" as read_some,
    }
}

message! {
    /// The value of a query parameter.
    pub struct QueryParameters = "QueryParameters" {
        /// Its name.
        query_parameter_name: String = "queryParameterName" as read_required,
        /// The entry's key.
        descriptor_key: String = "descriptorKey" as read_descriptor_text,
        /// Whether the descriptor does without it if it is not there.
        skip_if_absent: bool = "skipIfAbsent",
    }
}

message! {
    /// A text, if query parameters are so.
    pub struct QueryParameterValueMatch = "QueryParameterValueMatch" {
        /// The text.
        descriptor_value: String = "descriptorValue" as read_descriptor_text,
        /// The entry's key, `query_match` if it is left out.
        descriptor_key: String = "descriptorKey" as read_descriptor_text_if_any,
        /// Whether all are to be so, or not all.
        expect_match: Option<bool> = "expectMatch",
        /// How they are to be.
        query_parameters: Vec<QueryCondition> = "queryParameters" as read_some,
    }
}

message! {
    /// A text in metadata.
    pub struct MetaData = "MetaData" {
        /// The entry's key.
        descriptor_key: String = "descriptorKey" as read_descriptor_text,
        /// Where it stands.
        metadata_key: Option<MetadataKey> = "metadataKey" as read_metadata_key,
        /// What it is if it is not there.
        default_value: String = "defaultValue" as read_descriptor_text_if_any,
        /// Whether it is the route's metadata, and not the request's.
        of_route: bool = "source" as read_source,
        /// Whether the descriptor does without it if it is not there.
        skip_if_absent: bool = "skipIfAbsent",
    }
}

message! {
    /// A place in metadata.
    pub struct MetadataKey = "MetadataKey" {
        /// Whose it is, such as a filter's name.
        key: String = "key" as read_step,
        /// The way from there.
        path: Vec<PathSegment> = "path" as read_path,
    }
}

message! {
    /// A step of the way.
    pub struct PathSegment = "MetadataKey.PathSegment" {
        /// A name.
        key: String = "key" as read_name,
    }
}

message! {
    /// A path of that form.
    pub struct Path = "path" {
        /// The form, such as `/users/{id}/orders`.
        template: Template = "template" as read_template,
        /// The variable whose value is the entry's; none: it is the template as it is written.
        variable: String = "variable",
        /// The entry's key.
        descriptor_key: String = "descriptorKey" as read_descriptor_text,
        /// Whether the descriptor does without it if the path is of another form.
        skip_if_absent: bool = "skipIfAbsent",
    }
    check check_path;
}

message! {
    /// A claim of a token.
    pub struct JwtClaim = "jwtClaim" {
        /// Where it stands: `sub`, `a.b`, or `[a.b][c]` for names with dots.
        claim: Vec<String> = "claim" as read_claim,
        /// The entry's key.
        descriptor_key: String = "descriptorKey" as read_descriptor_text,
        /// Whether the descriptor does without it if it is not there.
        skip_if_absent: bool = "skipIfAbsent",
    }
}

fn check_action(at: Cursor<'_>, all_known: bool) {
    let fields: Vec<&str> = <ActionFields as pointsman_wire::Message>::FIELDS
        .iter()
        .filter(|field| field.class == pointsman_wire::Class::Honoured)
        .map(|field| field.name)
        .collect();
    check_one(at, all_known, &fields);
}

fn read_v4(at: Cursor<'_>) -> Option<u8> {
    read_mask(at, 32)
}

fn read_v6(at: Cursor<'_>) -> Option<u8> {
    read_mask(at, 128)
}

/// All bits, if it is left out.
fn read_mask(at: Cursor<'_>, most: u8) -> Option<u8> {
    if at.value().is_null() {
        return Some(most);
    }
    whole_or(at, 0, most.into(), &format_args!("is no length of a prefix, expected 0 to {most}"))?.try_into().ok()
}

fn read_some<T: Decode>(at: Cursor<'_>) -> Option<Vec<T>> {
    let list = list(at, T::decode)?;
    if list.is_empty() { at.error("needs at least one condition") } else { Some(list) }
}

fn read_metadata_key(at: Cursor<'_>) -> Option<Option<MetadataKey>> {
    if at.value().is_null() { at.error("is missing") } else { MetadataKey::decode(at).map(Some) }
}

fn read_path(at: Cursor<'_>) -> Option<Vec<PathSegment>> {
    let path = list(at, PathSegment::decode)?;
    if path.is_empty() { at.error("needs at least one step: the whole of it is no text") } else { Some(path) }
}

/// A step of a path to an attribute: a NUL ends one.
fn read_step(at: Cursor<'_>) -> Option<String> {
    let step = read_required(at)?;
    if step.contains('\0') { at.error("has a NUL in it, with which the proxy ends a name") } else { Some(step) }
}

/// A name in an object. A number can be a place in a list for the proxy, where Envoy's own action goes into none.
fn read_name(at: Cursor<'_>) -> Option<String> {
    let name = read_step(at)?;
    check_object_name(&name, at).map(|()| name)
}

fn check_object_name(name: &str, at: Cursor<'_>) -> Option<()> {
    if name.trim().parse::<i32>().is_ok() {
        return at.error(format_args!("`{name}` can be a place in a list, and lists are not gone into"));
    }
    Some(())
}

fn read_source(at: Cursor<'_>) -> Option<bool> {
    match at.value().as_str() {
        None if at.value().is_null() => Some(false),
        Some("DYNAMIC") => Some(false),
        Some("ROUTE_ENTRY") => Some(true),
        _ => at.error(format_args!("{} is no source, expected DYNAMIC or ROUTE_ENTRY", at.value())),
    }
}

fn read_template(at: Cursor<'_>) -> Option<Template> {
    let text = read_descriptor_text(at)?;
    Template::parse(&text).map_or_else(|why| at.error(why), Some)
}

fn check_path(at: Cursor<'_>, _: bool) {
    let text =
        |name: &str| at.value().get(name).and_then(pointsman_wire::Value::as_str).filter(|text| !text.is_empty());
    // What is wrong with the template was said when it was read.
    if let (Some(Ok(template)), Some(variable)) = (text("template").map(Template::parse), text("variable"))
        && template.place(variable).is_none()
    {
        let why = format!("`{variable}` is no segment of the template");
        at.field("variable", |at| at.error::<()>(why));
    }
}

fn read_claim(at: Cursor<'_>) -> Option<Vec<String>> {
    let text = read_step(at)?;
    let path: Vec<&str> = match text.split_once('[') {
        None => text.split('.').collect(),
        Some((first, rest)) => {
            let Some(rest) = rest.strip_suffix(']') else { return at.error(CLAIM) };
            Some(first).filter(|first| !first.is_empty()).into_iter().chain(rest.split("][")).collect()
        }
    };
    if path.iter().any(|name| name.is_empty() || name.contains(['[', ']'])) {
        return at.error(CLAIM);
    }
    path.iter().try_for_each(|name| check_object_name(name, at))?;
    Some(path.into_iter().map(str::to_owned).collect())
}

const CLAIM: &str = "is no claim, expected `NAME`, `NAME.NAME` or `NAME[NAME]`";
