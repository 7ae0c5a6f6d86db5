//! Names as the tree that their slashes make.

use std::collections::BTreeMap;

use crate::text::escape::escaped;

#[derive(Default)]
struct Node<'a> {
    children: BTreeMap<&'a str, Node<'a>>,
    /// Whether a secret has this very name, beside what lies below it.
    is_name: bool,
}

/// Draws sorted names as a tree. Depth is bounded by the length of a name.
pub(crate) fn draw<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut root = Node::default();
    for name in names {
        let leaf = name.split('/').fold(&mut root, |node, part| node.children.entry(part).or_default());
        leaf.is_name = true;
    }
    let mut text = String::new();
    draw_children(&root, &mut String::new(), &mut text);
    text
}

fn draw_children(node: &Node<'_>, indent: &mut String, text: &mut String) {
    let last = node.children.len().saturating_sub(1);
    for (i, (part, child)) in node.children.iter().enumerate() {
        let (branch, below) = if i == last { ("└── ", "    ") } else { ("├── ", "│   ") };
        text.push_str(indent);
        text.push_str(branch);
        text.push_str(&escaped(part));
        text.push_str(match (child.is_name, child.children.is_empty()) {
            (false, _) => "/\n",
            // Both a secret and the beginning of others.
            (true, false) => " /\n",
            (true, true) => "\n",
        });
        let before = indent.len();
        indent.push_str(below);
        draw_children(child, indent, text);
        indent.truncate(before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_make_branches() {
        let names = ["aws/prod/id", "aws/prod/key", "aws/test", "db", "db/user"];
        let drawn = "├── aws/\n\
                     │   ├── prod/\n\
                     │   │   ├── id\n\
                     │   │   └── key\n\
                     │   └── test\n\
                     └── db /\n\
                     \u{20}   └── user\n";
        assert_eq!(draw(names), drawn);
        assert_eq!(draw([]), "");
        assert_eq!(draw(["a\u{200b}"]), "└── a\\u{200b}\n");
    }
}
