using System.Text;
using Dma.Vmm;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>What a name in a granted folder can be.</summary>
public sealed class FolderPathLaws
{
    private static readonly string[] _pieces =
        ["a", "B", "..", ".", "/", "\\", ":", "\0", "\n", " ", "é", "\uFFFD", "con", "LPT9", "COM¹", "txt", "|", "?", "\u202E", "aux.", "-"];

    [Fact]
    public void Whatever_is_accepted_stays_below_the_folder_on_any_host() =>
        Property.Check(
            Gen.Elements(_pieces).ArrayOf().Select(string.Concat),
            text =>
            {
                if (FolderPath.TryParse(Encoding.UTF8.GetBytes(text)) is not { } path)
                    return;
                Assert.Equal(text, path.ToString());
                string root = Path.GetFullPath("/granted");
                Assert.StartsWith(root + Path.DirectorySeparatorChar, Path.GetFullPath(Path.Join(root, text)), StringComparison.Ordinal);
                Assert.All(path.Parts, part => Assert.True(part.Length != 0 && part.IndexOfAny(['/', '\\', ':', '\0', '\n']) < 0 && part is not ("." or "..")));
                Assert.DoesNotContain(path.Parts, part => part.Split('.')[0].TrimEnd().ToUpperInvariant() is "CON" or "AUX" or "LPT9" or "COM¹");
            },
            count: 2_000);

    [Fact]
    public void Any_bytes_are_a_name_or_refused() =>
        Property.Check(
            Gen.Choose(0, 255).Select(value => (byte)value).ArrayOf(),
            bytes =>
            {
                if (FolderPath.TryParse(bytes) is { } path)
                    Assert.Equal(bytes, Encoding.UTF8.GetBytes(path.ToString()));
            },
            count: 500);

    [Fact]
    public void Ordinary_names_are_accepted_and_lengths_have_their_bounds()
    {
        Assert.All(["a", "a.b", ".hidden", "..a", "a b", "ordner/größe.txt", "console.log", "nulls", "com", "a/b/c"], name => Assert.NotNull(FolderPath.TryParse(Encoding.UTF8.GetBytes(name))));
        Assert.NotNull(FolderPath.TryParse(new byte[255].Select(_ => (byte)'x').ToArray()));
        Assert.Null(FolderPath.TryParse(new byte[256].Select(_ => (byte)'x').ToArray()));
        Assert.NotNull(FolderPath.TryParse(Encoding.UTF8.GetBytes(string.Join('/', Enumerable.Repeat("x", 16)))));
        Assert.Null(FolderPath.TryParse(Encoding.UTF8.GetBytes(string.Join('/', Enumerable.Repeat("x", 17)))));
        Assert.Null(FolderPath.TryParse([]));
        Assert.Null(FolderPath.TryParse([0xC0, 0xAF]));
        Assert.Null(FolderPath.TryParse([(byte)'a', 0xED, 0xA0, 0x80]));
    }
}
