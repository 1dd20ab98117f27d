//! From what is written to what runs.

use pointsman_wire::{Cursor, Decode};

use super::{ActionFields, HeaderValueMatch, MetaData, MetadataKey, QueryParameterValueMatch};
use crate::config::Nothing;
use crate::descriptors::{Action, Source};

/// Where jwt_authn, as Istio has it configured, leaves a token's claims.
const CLAIMS: [&str; 4] = ["metadata", "filter_metadata", "envoy.filters.http.jwt_authn", "payload"];

impl Decode for Action {
    fn decode(at: Cursor<'_>) -> Option<Self> {
        let fields = ActionFields::decode(at)?;
        let actions = [
            fields.request_headers.map(|this| {
                Self::new(this.descriptor_key, Source::Header(this.header_name)).optional(this.skip_if_absent)
            }),
            fields.remote_address.map(|Nothing| Self::new("remote_address", Source::Address)),
            fields
                .masked_remote_address
                .map(|this| Self::new("masked_remote_address", Source::Network { v4: this.v4, v6: this.v6 })),
            fields
                .generic_key
                .map(|this| Self::new(or(this.descriptor_key, "generic_key"), Source::text(this.descriptor_value))),
            fields.header_value_match.map(HeaderValueMatch::action),
            fields.query_parameters.map(|this| {
                Self::new(this.descriptor_key, Source::query(this.query_parameter_name)).optional(this.skip_if_absent)
            }),
            fields.query_parameter_value_match.map(QueryParameterValueMatch::action),
            fields.destination_cluster.map(|Nothing| Self::new("destination_cluster", Source::DestinationCluster)),
            fields.source_cluster.map(|Nothing| Self::new("source_cluster", Source::SourceCluster)),
            fields.metadata.and_then(MetaData::action),
            fields.path.map(|this| {
                let variable = this.template.place(&this.variable);
                let source = Source::Path { template: this.template, variable };
                Self::new(this.descriptor_key, source).optional(this.skip_if_absent)
            }),
            fields.jwt_claim.map(|this| {
                let path = CLAIMS.into_iter().map(str::to_owned).chain(this.claim).collect();
                Self::new(this.descriptor_key, Source::Attribute { path, default: None }).optional(this.skip_if_absent)
            }),
        ];
        actions.into_iter().flatten().next()
    }
}

fn or(key: String, default: &str) -> String {
    if key.is_empty() { default.into() } else { key }
}

impl HeaderValueMatch {
    fn action(self) -> Action {
        let source = Source::HeaderMatch {
            conditions: self.headers,
            expected: self.expect_match.unwrap_or(true),
            value: self.descriptor_value.into_bytes().into(),
        };
        Action::new(or(self.descriptor_key, "header_match"), source)
    }
}

impl QueryParameterValueMatch {
    fn action(self) -> Action {
        let source = Source::QueryMatch {
            conditions: self.query_parameters,
            expected: self.expect_match.unwrap_or(true),
            value: self.descriptor_value.into_bytes().into(),
        };
        Action::new(or(self.descriptor_key, "query_match"), source)
    }
}

impl MetaData {
    fn action(self) -> Option<Action> {
        let MetadataKey { key, path } = self.metadata_key?;
        let whose: &[&str] = if self.of_route { &["xds", "route_metadata"] } else { &["metadata"] };
        let start = whose.iter().chain(&["filter_metadata"]).map(|step| (*step).to_owned());
        let path = start.chain([key]).chain(path.into_iter().map(|step| step.key)).collect();
        let default = Some(self.default_value).filter(|text| !text.is_empty()).map(|text| text.into_bytes().into());
        Some(Action::new(self.descriptor_key, Source::Attribute { path, default }).optional(self.skip_if_absent))
    }
}
