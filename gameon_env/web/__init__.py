"""The browser game ReActure: its page, its server and the programs that open it."""
