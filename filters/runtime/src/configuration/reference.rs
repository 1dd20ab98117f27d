//! The README's table of fields, held against what the code declares: it has exactly these rows, with these classes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fault_injection::FaultInjection;
use fault_injection::config::{
    AbortFields, DelayFields, FaultEntry, FaultInjectionSection, HttpFaultInjection, PercentageFields, RuleFault,
    ThroughputFields, When,
};
use pointsman_routes::config::{HTTP_ROUTE, HttpMatchRequest, OF_FILTERS, StringMatch, VirtualService};
use pointsman_wire::{Class, Field, Message};
use rate_limit::RateLimit;
use rate_limit::config::{
    ActionFields, EntryFields, GenericKey, Global, HeaderMatcher, HeaderValueMatch, HitsAddend, Int64Range, JwtClaim,
    LocalDescriptorFields, LocalFields, MaskedRemoteAddress, MetaData, MetadataKey, Path as PathAction, PathSegment,
    QueryParameterMatcher, QueryParameterValueMatch, QueryParameters, RateLimitFields, RegexMatcher, RequestHeaders,
    Response as LimitResponse, ShareAcross, StringMatcher, TokenBucketFields,
};
use routing::Routing;
use routing::config::{
    ClusterOverride, CorsPolicy, Debug, Destination, Destinations, HeaderOperations, Headers, HttpBody, HttpCookie,
    HttpDirectResponse, HttpMirror, HttpRedirect, HttpRetry, HttpRewrite, HttpRoute, HttpRouteDestination, Percent,
    PortSelector, StickyFields, Written,
};

use crate::chain::Chain;

/// All filters, as pointsman.wasm has them.
type All = (Routing, RateLimit, FaultInjection<true>);

/// Every message, in the README's order.
fn reference() -> Vec<(&'static str, &'static [Field])> {
    fn of<M: Message>() -> (&'static str, &'static [Field]) {
        (M::NAME, M::FIELDS)
    }
    vec![
        of::<VirtualService<((),)>>(),
        ("HTTPRoute", HTTP_ROUTE),
        of::<HttpRoute>(),
        of::<RuleFault>(),
        of::<HttpMatchRequest>(),
        of::<StringMatch>(),
        of::<HttpRouteDestination>(),
        of::<Destination>(),
        of::<PortSelector>(),
        of::<Headers>(),
        of::<HeaderOperations>(),
        of::<HttpRewrite>(),
        of::<Written>(),
        of::<HttpRedirect>(),
        of::<HttpDirectResponse>(),
        of::<HttpBody>(),
        of::<HttpRetry>(),
        of::<HttpMirror>(),
        of::<Percent>(),
        of::<CorsPolicy>(),
        of::<StickyFields>(),
        of::<HttpCookie>(),
        of::<Destinations>(),
        of::<ClusterOverride>(),
        of::<HttpFaultInjection>(),
        of::<DelayFields>(),
        of::<AbortFields>(),
        of::<ThroughputFields>(),
        of::<PercentageFields>(),
        of::<FaultEntry>(),
        of::<FaultInjectionSection>(),
        of::<When>(),
        of::<RateLimitFields>(),
        of::<ActionFields>(),
        of::<RequestHeaders>(),
        of::<MaskedRemoteAddress>(),
        of::<GenericKey>(),
        of::<HeaderValueMatch>(),
        of::<HeaderMatcher>(),
        of::<StringMatcher>(),
        of::<RegexMatcher>(),
        of::<Int64Range>(),
        of::<QueryParameters>(),
        of::<QueryParameterValueMatch>(),
        of::<QueryParameterMatcher>(),
        of::<MetaData>(),
        of::<MetadataKey>(),
        of::<PathSegment>(),
        of::<PathAction>(),
        of::<JwtClaim>(),
        of::<HitsAddend>(),
        of::<LocalFields>(),
        of::<LocalDescriptorFields>(),
        of::<EntryFields>(),
        of::<TokenBucketFields>(),
        of::<ShareAcross>(),
        of::<Global>(),
        of::<LimitResponse>(),
        of::<Debug>(),
    ]
}

/// Where the table stands.
const BEGIN: &str = "<!-- fields -->\n";
const END: &str = "<!-- /fields -->\n";

/// What stands in a row behind the field's name and class of which the code says nothing.
const NO_NOTE: &str = "TODO: a note";

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The table's rows. What is wrong with them is wrong with the README.
fn table() -> Vec<String> {
    let readme = fs::read_to_string(here().join("../../README.md")).unwrap();
    let (_, table) = readme.split_once(BEGIN).expect("the README has no place for the table");
    let (table, _) = table.split_once(END).expect("the README's table has no end");
    table.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect()
}

/// A row's note, by the field's name.
fn notes(rows: &[String]) -> BTreeMap<&str, &str> {
    let cells = rows.iter().filter_map(|row| {
        let (field, rest) = row.strip_prefix("| `")?.split_once("` | ")?;
        let (_, note) = rest.strip_suffix(" |")?.split_once(" | ")?;
        Some((field, note))
    });
    cells.collect()
}

/// A reason is the code's own; what an honoured field does is the README's to say.
fn row(name: &str, class: Class, notes: &BTreeMap<&str, &str>) -> String {
    let (class, note) = match class {
        Class::Honoured => ("honoured", notes.get(name).copied().unwrap_or(NO_NOTE).to_owned()),
        Class::Inert(why) => ("inert", why.replace('|', "\\|")),
        Class::Refused(why) => ("**refused**", why.replace('|', "\\|")),
    };
    format!("| `{name}` | {class} | {note} |")
}

#[test]
fn the_readme_has_every_field_and_its_class() {
    let rows = table();
    let notes = notes(&rows);
    let sections = All::sections().into_iter().map(|name| row(name, Class::Honoured, &notes));
    let fields = reference().into_iter().flat_map(|(message, fields)| {
        let notes = &notes;
        fields.iter().map(move |field| row(&format!("{message}.{}", field.name), field.class, notes))
    });
    let expected: Vec<String> = sections.chain(fields).collect();
    let is_written = !expected.iter().any(|row| row.contains(NO_NOTE));
    assert!(
        rows == expected && is_written,
        "README.md's table differs from the code. Not in the code, or otherwise:\n{}\n\nNot in the README:\n{}\n\n\
         All rows as they should be, to be copied:\n{}\n",
        without(&rows, &expected),
        without(&expected, &rows),
        expected.join("\n")
    );
}

fn without(rows: &[String], others: &[String]) -> String {
    let rest = rows.iter().filter(|row| !others.contains(row)).cloned();
    rest.collect::<Vec<_>>().join("\n")
}

/// A message that is declared and not listed above would be in no table.
#[test]
fn every_message_is_listed() {
    let listed: Vec<&str> = reference().into_iter().map(|(name, _)| name).collect();
    let filters = ["routes", "routing", "fault-injection", "rate-limit"];
    let files =
        filters.iter().flat_map(|filter| fs::read_dir(here().join("..").join(filter).join("src/config")).unwrap());
    for path in files.map(|file| file.unwrap().path()).filter(|path| path.is_file()) {
        let source = fs::read_to_string(&path).unwrap();
        // `pub struct HttpRoute = "HTTPRoute" {`: nothing but a message is declared so.
        let declared =
            source.lines().filter_map(|line| line.split_once("struct ")?.1.split_once(" = \"")?.1.strip_suffix("\" {"));
        for name in declared {
            assert!(listed.contains(&name), "{} declares {name}, which `reference` does not list", path.display());
        }
    }
}

/// What a rule's fields are is known even where their filter is not.
#[test]
fn every_field_of_a_rule_is_known_everywhere() {
    let of = |module: &'static str| OF_FILTERS.iter().filter(move |(_, of)| *of == module).map(|(name, _)| *name);
    let names = |fields: &'static [Field]| fields.iter().map(|field| field.name);
    assert!(of("pointsman-routing").eq(names(HttpRoute::FIELDS)));
    assert!(of("pointsman-fault-injection").eq(names(RuleFault::FIELDS)));
}

/// What is shown of the examples' files is what they say.
#[test]
fn excerpts_are_of_the_example() {
    let read = |file: &str| fs::read_to_string(here().join("../..").join(file)).unwrap();
    let of = |example: &str| {
        read(&format!("examples/{example}/envoy.yaml")) + &read(&format!("examples/{example}/policy.yaml"))
    };
    let files = of("front-proxy") + &of("rate-limit");
    let lines: Vec<&str> = files.lines().collect();
    let readme = read("README.md");
    for block in readme.split("```yaml\n").skip(1) {
        let excerpt = block.split("```").next().unwrap();
        for line in excerpt.lines().filter(|line| !line.trim_start().starts_with("# …")) {
            assert!(lines.contains(&line), "no file of the examples has this line of the README's: {line:?}");
        }
    }
}
