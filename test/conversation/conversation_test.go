package conversation_test

import (
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ftpsproxy/ftpsproxy/test/conversation"
)

// TestConversations plays every file of testdata against a running proxy. They
// play one after the other, so that whatever is left over afterwards is the
// fault of the one just played.
func TestConversations(t *testing.T) {
	files := os.DirFS("testdata")
	names, err := fs.Glob(files, "*.txt")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 60 {
		t.Fatalf("found only %d conversations", len(names))
	}
	player := conversation.Player{Start: conversation.StartProxy(t.TempDir()), Patience: 30 * time.Second}
	for _, name := range names {
		t.Run(strings.TrimSuffix(name, ".txt"), func(t *testing.T) {
			script, err := conversation.ParseFile(files, name)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(script.About, "RFC ") {
				t.Errorf("the opening sentence cites no RFC: %q", script.About)
			}
			if err := player.Play(script); err != nil {
				t.Error(err)
			}
		})
	}
}
