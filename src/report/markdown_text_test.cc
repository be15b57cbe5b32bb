#include "report/markdown_text.h"

#include <gtest/gtest.h>

namespace fakequant {
namespace {

TEST(MarkdownText, EscapesMarkup) {
  EXPECT_EQ(markdown_text("blk.0-5.ffn_norm.weight: 1.5 % (±0.1), \"x\""),
            "blk.0-5.ffn_norm.weight: 1.5 % (±0.1), \"x\"");
  EXPECT_EQ(markdown_text("<b>bold</b> | `code` [link](x) *a* _b_ ~c~ &amp; \\"),
            "\\<b\\>bold\\</b\\> \\| \\`code\\` \\[link\\](x) \\*a\\* \\_b\\_ \\~c\\~ \\&amp; \\\\");
  EXPECT_EQ(markdown_text("-3.5 %"), "-3.5 %");
  EXPECT_EQ(markdown_lines("# heading\n- item\n 12. item\n1.5 %\n-3\n"),
            "\\# heading\n\\- item\n 12\\. item\n1\\.5 %\n\\-3\n");
  EXPECT_EQ(markdown_text("![i](http://x.y) www.x.y @someone fixes #12"),
            "\\!\\[i\\](http\\://x.y) www\\.x.y \\@someone fixes \\#12");
  EXPECT_EQ(markdown_text("a\nb\u202E"), "a\uFFFDb\uFFFD");
  EXPECT_EQ(markdown_lines("a*\nb*\n"), "a\\*\nb\\*\n");
}

TEST(MarkdownText, PutsCodeIntoAsManyBackticksAsItNeeds) {
  EXPECT_EQ(markdown_code("w:blk.*.ffn_norm=bf16"), "`w:blk.*.ffn_norm=bf16`");
  EXPECT_EQ(markdown_code("a`b``c"), "``` a`b``c ```");
}

}  // namespace
}  // namespace fakequant
