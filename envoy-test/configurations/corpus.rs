//! The corpus of bad configurations, `bad/`: what careless operators write, and what is said of it, message by message.
//!
//! A `.yaml` file begins with a comment `# expect: MESSAGE` for each error, and goes on with the policy as somebody
//! would paste it. A `.json` file is the configuration's text, byte by byte, and its messages are the lines of the
//! `.expect` file beside it. Both the tests of the runtime and those in a real Envoy read it here.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// What a comment with a message begins with.
const EXPECT: &str = "# expect: ";

/// One bad configuration.
#[derive(Clone, Debug)]
pub struct Case {
    /// The file's name.
    pub name: String,
    /// Each message, in its order, as it stands behind `pointsman: ` in Envoy's log.
    pub messages: Vec<String>,
    /// What is wrong.
    pub configuration: Configuration,
}

/// A configuration, in the form in which somebody writes it.
#[derive(Clone, Debug)]
pub enum Configuration {
    /// A tree, which reaches a module as JSON text or as a Struct.
    Tree(Value),
    /// Bytes, which need not be text.
    Bytes(Vec<u8>),
}

/// All of them, in the order of their names, and then what is too large for a file that somebody reads.
pub fn cases() -> Vec<Case> {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let bad = |folder: &Path| Some(folder.join("envoy-test/configurations/bad")).filter(|folder| folder.is_dir());
    let folder = folders.find_map(bad).expect("the corpus is a part of the workspace");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension != "expect"));
    files.sort();
    files.iter().map(|file| read(file)).chain(large()).collect()
}

fn read(file: &Path) -> Case {
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    let bytes = fs::read(file).unwrap();
    let (messages, configuration) = if name.ends_with(".json") {
        let messages = fs::read_to_string(file.with_extension("expect")).unwrap();
        (messages.lines().map(str::to_owned).collect::<Vec<_>>(), Configuration::Bytes(bytes))
    } else {
        let text = String::from_utf8(bytes).unwrap();
        let messages = text.lines().map_while(|line| line.strip_prefix(EXPECT)).map(str::to_owned).collect();
        let tree = serde_yaml_ng::from_str(&text).unwrap_or_else(|error| panic!("{name} is no YAML: {error}"));
        (messages, Configuration::Tree(tree))
    };
    assert!(!messages.is_empty(), "{name} does not say what to expect");
    Case { name, messages, configuration }
}

fn large() -> [Case; 5] {
    let case = |name: &str, messages: Vec<String>, configuration| Case { name: name.into(), messages, configuration };
    let deep = format!("{{\"virtualServices\": {}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let megabyte = "x".repeat(1 << 20);
    let rules = |rules: &[Value]| {
        Configuration::Tree(json!({"virtualServices": [{"hosts": ["shop.example.com"], "http": rules}]}))
    };
    let weightless = json!({"route": [{"destination": {"host": "cart"}, "weight": -1}]});
    let route = json!({"route": [{"destination": {"host": "cart"}}]});
    let regex = json!({"match": [{"uri": {"regex": megabyte}}], "route": [{"destination": {"host": "cart"}}]});
    // No more than a hundred errors are said, and that there are more.
    let of_weight =
        |rule| format!("virtualServices[0].http[{rule}].route[0].weight: -1 is not a weight, expected 0 or more");
    [
        case(
            "10,000 lists within each other",
            vec!["the configuration is refused: not JSON: recursion limit exceeded at line 1 column 147".into()],
            Configuration::Bytes(deep.into_bytes()),
        ),
        case(
            "1 MiB of text for a list",
            vec![format!("virtualServices: \"{}… is a string, expected a list of resources", &megabyte[..59])],
            Configuration::Tree(json!({"virtualServices": megabyte})),
        ),
        case(
            "1 MiB of a regular expression",
            vec!["virtualServices[0].http[0].match[0].uri.regex: has more than 1024 characters, Istio's limit".into()],
            rules(&[regex]),
        ),
        case(
            "1 MiB of a host",
            vec![format!(
                "virtualServices[0].hosts[0]: `{}…` is no host: it has more than 255 characters",
                &megabyte[..200]
            )],
            Configuration::Tree(json!({"virtualServices": [{"hosts": [megabyte], "http": [route]}]})),
        ),
        case("150 errors", (0..100).map(of_weight).collect(), rules(&vec![weightless; 150])),
    ]
}
