use nearcast_core::tier::Tier;

use super::*;

const TWO: &str = r#"
# Two sites, one of which hangs on the other.
[[site]]
name = "Berlin"
asn = 64512
prefixes = ["10.1.0.0/16", "fd00:1::/48"]
links = [{ to = "Munich", cost = "theirs" }, "AS3320"]

[[site]]
name = "Munich"
prefixes = [
    "10.2.0.0/16",
    "198.51.0.0/20",
]
links = [{ to = "Berlin", cost = "ours" }]
"#;

fn ip(text: &str) -> std::net::IpAddr {
    text.parse().unwrap()
}

#[test]
fn two_sites_are_two_networks_with_names_over_whatever_else_is_known() {
    let sites = parse(TWO, "sites.toml").unwrap();
    let names: Vec<&str> = sites.iter().map(|site| site.name.as_str()).collect();
    assert_eq!(names, ["Berlin", "Munich"]);
    let mut builder = AtlasBuilder::new(9);
    builder.prefix("198.51.0.0/24".parse().unwrap(), &[Asn(7)]);
    builder.prefix("8.8.8.0/24".parse().unwrap(), &[Asn(15_169)]);
    let atlas = sites.over(&builder.build()).without_reserved();
    assert_eq!(atlas.version(), 9);
    let (berlin, munich) = (atlas.origin(ip("10.1.2.3")).unwrap(), atlas.origin(ip("10.2.2.3")).unwrap());
    assert_eq!((berlin, munich.is_local()), (Asn(64_512), true));
    assert_eq!((atlas.name(berlin), atlas.name(munich)), (Some("Berlin"), Some("Munich")));
    assert_eq!(atlas.origin(ip("fd00:1::7")), Some(berlin));
    assert_eq!(atlas.origin(ip("198.51.0.7")), Some(munich), "what the operator says counts");
    assert_eq!(atlas.origin(ip("8.8.8.8")), Some(Asn(15_169)));
    assert_eq!(atlas.relation(berlin, munich), Some(Relation::Customer));
    assert_eq!(atlas.relation(Asn(3_320), berlin), Some(Relation::Peer));
    let near = |a, b| atlas.proximity(atlas.place(ip(a)), atlas.place(ip(b)), None).tier();
    assert_eq!(near("10.1.0.1", "10.1.9.1"), Tier::Prefix16);
    assert_eq!(near("10.1.0.1", "fd00:1::7"), Tier::SameAs);
    assert_eq!(near("10.1.0.1", "10.2.0.1"), Tier::AdjacentAs);
}

#[test]
fn a_site_keeps_its_number_wherever_it_stands() {
    let site =
        |name: &str, net: u8| format!("[[site]]\nname = \"{name}\"\nprefixes = [\"10.{net}.0.0/16\"]\n");
    let number = |text: &str, name: &str| {
        let sites = parse(text, "x").unwrap();
        sites.iter().find(|site| site.name == name).map(|site| site.asn).unwrap()
    };
    let (a, b) = (site("Köln", 1), site("Aachen", 2));
    let first = number(&format!("{a}{b}"), "Köln");
    assert_eq!(number(&format!("{b}{a}"), "Köln"), first);
    assert_eq!(number(&a, "Köln"), first);
    assert!(NUMBERS.contains(&first.0));
    // If another site has the number already, the next one is taken.
    let taken = format!("{a}[[site]]\nname = \"Other\"\nasn = {}\nprefixes = [\"10.9.0.0/16\"]\n", first.0);
    assert_eq!(number(&taken, "Köln"), Asn(first.0 + 1));
}

#[test]
fn every_natural_mistake_has_a_sentence_with_its_line() {
    let site = "[[site]]\nname = \"Berlin\"\nprefixes = [\"10.1.0.0/16\"]\n";
    for (text, line, words) in [
        ("", 1, "there is no [[site]]"),
        ("# nothing\n", 1, "there is no [[site]]"),
        ("[site]\nname = \"x\"\n", 1, "in double brackets"),
        ("[[sites]]\nname = \"x\"\n", 1, "there is no sites here"),
        ("[[site]\n", 1, ""),
        ("[[site]]\nprefixes = []\n", 1, "has no name"),
        ("[[site]]\nname = \"\"\nprefixes = []\n", 2, "the name is empty"),
        ("[[site]]\nname = 7\nprefixes = []\n", 2, "a text is expected, not an integer"),
        ("[[site]]\nname = \"Berlin\"\n", 2, "Berlin has no prefixes"),
        ("[[site]]\nname = \"Berlin\"\nprefixes = \"10.0.0.0/8\"\n", 3, "a list is expected"),
        (
            "[[site]]\nname = \"Berlin\"\nprefixes = [\n  \"10.1.0.0/16\",\n  \"10.1\",\n]\n",
            5,
            "\"10.1\" is no prefix",
        ),
        ("[[site]]\nname = \"Berlin\"\nprefixes = [\"10.1.0.0/33\"]\n", 3, "is no prefix"),
        ("[[site]]\nname = \"Berlin\"\nprefixes = [\"10.1.0.0/255.255.0.0\"]\n", 3, "is no prefix"),
        ("[[site]]\nname = \"Berlin\"\nprefixes = [\"10.1.0.7\"]\n", 3, "write 10.1.0.7/32"),
        ("[[site]]\nname = \"Berlin\"\nprefixes = [\"10.1.2.3/16\"]\n", 3, "write 10.1.0.0/16"),
        ("[[site]]\nname = \"Berlin\"\nprefixes = [\"0.0.0.0/0\"]\n", 3, "the whole Internet"),
        ("[[site]]\nname = \"Berlin\"\nprefix = [\"10.1.0.0/16\"]\n", 3, "and no prefix"),
        ("[[site]]\nname = \"Berlin\"\nasn = 3320\nprefixes = []\n", 3, "is a private one"),
        (&format!("{site}links = [\"Munchen\"]\n"), 4, "there is no such site; there are Berlin"),
        (&format!("{site}links = [\"Berlin\"]\n"), 4, "is linked to itself"),
        (&format!("{site}links = [\"AS1\", \"AS1\"]\n"), 4, "is linked to AS1 twice"),
        (&format!("{site}links = [{{ to = \"AS1\", cost = \"5\" }}]\n"), 4, "the cost is \"free\""),
        (&format!("{site}links = [{{ cost = \"ours\" }}]\n"), 4, "this link leads nowhere"),
        (&format!("{site}links = [{{ to = \"AS1\", price = 1 }}]\n"), 4, "and no price"),
        (&format!("{site}{site}"), 5, "the name Berlin is given twice, first in line 2"),
    ] {
        let error = parse(text, "sites.toml").unwrap_err().to_string();
        let found = error
            .lines()
            .find(|said| said.starts_with(&format!("sites.toml:{line}: ")) && said.contains(words));
        assert!(found.is_some(), "{text}\n{error}");
    }
}

#[test]
fn addresses_of_two_sites_are_told_with_both_lines() {
    let file = |a: &str, b: &str| {
        format!(
            "[[site]]\nname = \"A\"\nprefixes = [\"{a}\"]\n[[site]]\nname = \"B\"\nprefixes = [\n\"10.9.0.0/24\",\n\"{b}\"]\n"
        )
    };
    let error = |a, b| parse(&file(a, b), "f").unwrap_err().to_string();
    assert_eq!(
        error("10.1.0.0/16", "10.1.0.0/16"),
        "f:8: 10.1.0.0/16 of B is given twice, first in line 3, to A"
    );
    assert_eq!(error("10.1.0.0/16", "10.1.7.0/24"), "f:8: 10.1.7.0/24 of B lies in 10.1.0.0/16 of A, line 3");
    assert_eq!(error("fd00::/48", "fd00::/32"), "f:3: fd00::/48 of A lies in fd00::/32 of B, line 8");
    assert!(parse(&file("10.1.0.0/16", "10.2.0.0/16"), "f").is_ok());
}

#[test]
fn both_ends_must_agree_on_the_cost_and_everything_wrong_is_told_at_once() {
    let text = TWO.replace("cost = \"ours\"", "cost = \"free\"").replace("198.51.0.0/20", "198.51.1.0/20");
    let error = parse(&text, "f").unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines.len(), 2, "{error}");
    assert!(lines[0].starts_with("f:13: ") && lines[0].contains("write 198.51.0.0/20"), "{error}");
    assert!(lines[1].starts_with("f:15: ") && lines[1].contains("is another thing in line 7"), "{error}");
}
