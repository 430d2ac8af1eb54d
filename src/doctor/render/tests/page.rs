//! The page as what a browser makes of it: well-formed, self-contained, and with a text for each picture.

use std::collections::BTreeSet;

use roxmltree::{Document, Node, ParsingOptions};

use super::*;

fn parsed(page: &str) -> Document<'_> {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(page, options).unwrap_or_else(|error| panic!("{error} in\n{page}"))
}

fn page_of(name: &str) -> String {
    render(&samples()[name], Format::Html, FailOn::Fail, PLAIN).unwrap()
}

/// Well-formed, loads nothing, runs nothing, and what it points at is there.
pub(super) fn is_a_page(page: &str) {
    let document = parsed(page);
    let mut ids = BTreeSet::new();
    for node in document.descendants().filter(Node::is_element) {
        let name = node.tag_name().name();
        assert!(
            !["script", "iframe", "object", "embed", "img", "form", "base"].contains(&name),
            "{name}"
        );
        for attribute in node.attributes() {
            let (key, value) = (attribute.name(), attribute.value());
            assert!(
                !key.starts_with("on") && !["src", "action", "style", "srcset"].contains(&key),
                "{key}={value}"
            );
            if key == "href" {
                assert!(value.starts_with('#') || value == "data:,", "{value}");
            }
            // Values that are put into ids come from elsewhere, and may be alike there.
            if key == "id" && !value.contains("PIN-") {
                assert!(ids.insert(value), "the id {value} is there twice");
            }
        }
    }
    assert!(!page.contains("url(") && !page.contains("@import"));
}

#[test]
fn every_sample_is_a_page_and_its_links_lead_somewhere() {
    for name in ["healthy", "lossy", "offline", "troubled"] {
        let page = page_of(name);
        is_a_page(&page);
        let document = parsed(&page);
        let ids: Vec<&str> = document.descendants().filter_map(|node| node.attribute("id")).collect();
        assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "{ids:?}");
        for link in document.descendants().filter_map(|node| node.attribute("href")) {
            let target = link.strip_prefix('#').unwrap_or("");
            assert!(
                target.is_empty() || ids.contains(&target),
                "{name}: {link} leads nowhere"
            );
        }
    }
}

#[test]
fn each_picture_has_a_title_a_description_and_its_values_in_text() {
    let page = page_of("lossy");
    let document = parsed(&page);
    let pictures: Vec<Node> = document
        .descendants()
        .filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "svg")) || node.has_tag_name("svg"))
        .collect();
    // Four plots of losses and a bar for each of 16 fields.
    assert_eq!(pictures.len(), 4 + 16);
    for picture in pictures {
        let text = |name: &str| {
            let node = picture.children().find(|node| node.tag_name().name() == name);
            let node = node.unwrap_or_else(|| panic!("a picture without {name}"));
            assert!(!node.text().unwrap_or_default().is_empty());
            node.attribute("id").unwrap().to_owned()
        };
        let named = format!("{} {}", text("title"), text("desc"));
        assert_eq!(picture.attribute("aria-labelledby"), Some(named.as_str()));
        assert_eq!(picture.attribute("role"), Some("img"));
    }
    let text: String = document.descendants().filter_map(|node| node.text()).collect();
    for said in [
        "At worst it was 3.4 %, 20 min ago.",
        "what the profile allows: 1 %",
        "93.36 %",
        "runtime_timeout 37\u{202f}900, sandbox_unknown 311",
        "none to tell",
    ] {
        assert!(text.contains(said), "{said} is not on the page");
    }
}

#[test]
fn findings_come_before_what_is_well() {
    let page = page_of("troubled");
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is not on the page"));
    assert!(at("Fix first") < at("class=\"finding fail\""));
    assert!(at("class=\"finding fail\"") < at("class=\"finding warn\""));
    assert!(at("class=\"finding unknown\"") < at("Every check"));
}

#[test]
fn without_an_agent_the_page_says_so_and_draws_nothing() {
    for name in ["troubled", "offline"] {
        let page = page_of(name);
        assert!(!page.contains("<svg"), "{name}");
        for id in ["no-loss", "no-fields"] {
            let document = parsed(&page);
            let node = document
                .descendants()
                .find(|node| node.attribute("id") == Some(id))
                .unwrap();
            assert!(node.text().unwrap().contains("beside a running agent"), "{name}");
        }
    }
}
