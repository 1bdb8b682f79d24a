using System.Diagnostics;
using System.Text;
using Dma.Hal.Spec;
using Dma.Lab;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>A directory of the real host that is granted to a VM, with everything in it that leads somewhere else.</summary>
public sealed class HostFolderTests : IDisposable
{
    private readonly DirectoryInfo _outside = Directory.CreateTempSubdirectory("dma-folder-");
    private readonly string _root;

    public HostFolderTests()
    {
        _root = Path.Combine(_outside.FullName, "granted");
        _ = Directory.CreateDirectory(Path.Combine(_root, "below"));
        File.WriteAllText(Path.Combine(_outside.FullName, "secret"), "secret");
        File.WriteAllText(Path.Combine(_root, "plain"), "plain");
        File.WriteAllText(Path.Combine(_root, "below", "deep"), "deep");
        _ = File.CreateSymbolicLink(Path.Combine(_root, "link"), Path.Combine(_outside.FullName, "secret"));
        _ = File.CreateSymbolicLink(Path.Combine(_root, "inner"), "plain");
        _ = Directory.CreateSymbolicLink(Path.Combine(_root, "way"), _outside.FullName);
    }

    public void Dispose() => _outside.Delete(recursive: true);

    [Fact]
    public void Links_are_not_followed_wherever_they_lead()
    {
        using HostFolder folder = Open();
        foreach (string name in (string[])["link", "inner", "way/secret"])
        {
            foreach (bool writes in (bool[])[false, true])
            {
                Assert.Equal(ManagementResult.HostError, folder.Open(Of(name), writes, create: writes, out IGrantedFile? file));
                Assert.Null(file);
            }

            Assert.NotEqual(ManagementResult.Done, folder.Remove(Of(name), out _));
        }

        Assert.Equal(ManagementResult.HostError, folder.Open(Of("way/made"), isForWriting: true, create: true, out _));
        Assert.Equal(ManagementResult.NotFound, folder.List(Of("way"), 0, out _));
        Assert.Equal("secret", File.ReadAllText(Path.Combine(_outside.FullName, "secret")));
        Assert.False(File.Exists(Path.Combine(_outside.FullName, "made")));
    }

    [Fact]
    public void What_is_no_ordinary_file_is_not_opened_and_holds_nobody_up()
    {
        using HostFolder folder = Open();
        Shell("mkfifo", Path.Combine(_root, "pipe"));
        Shell("ln", Path.Combine(_outside.FullName, "secret"), Path.Combine(_root, "hard"));
        Assert.Equal(ManagementResult.HostError, folder.Open(Of("pipe"), isForWriting: false, create: false, out _));
        Assert.Equal(ManagementResult.HostError, folder.Open(Of("below"), isForWriting: false, create: false, out _));
        Assert.Equal(ManagementResult.HostError, folder.Remove(Of("pipe"), out _));

        // Another name of a file that lies elsewhere: what is granted is the folder, not that file.
        Assert.Equal(ManagementResult.HostError, folder.Open(Of("hard"), isForWriting: true, create: false, out _));
        Assert.Equal(ManagementResult.Done, folder.Remove(Of("hard"), out ulong freed));
        Assert.Equal((0ul, "secret"), (freed, File.ReadAllText(Path.Combine(_outside.FullName, "secret"))));
    }

    [Fact]
    public void A_directory_that_becomes_a_link_leads_nowhere_either()
    {
        using HostFolder folder = Open();
        Directory.Delete(Path.Combine(_root, "below"), recursive: true);
        _ = Directory.CreateSymbolicLink(Path.Combine(_root, "below"), _outside.FullName);
        Assert.Equal(ManagementResult.HostError, folder.Open(Of("below/secret"), isForWriting: false, create: false, out _));

        // The folder that was granted is the one that was opened, whatever its name means by now.
        Directory.Move(_root, _root + "-moved");
        Assert.Equal(ManagementResult.Done, folder.Open(Of("plain"), isForWriting: false, create: false, out IGrantedFile? file));
        file!.Dispose();
    }

    [Fact]
    public void Files_are_made_read_written_listed_and_removed_as_in_memory()
    {
        using HostFolder folder = Open();
        Assert.Equal(ManagementResult.NotFound, folder.Open(Of("new"), isForWriting: true, create: false, out _));
        Assert.Equal(ManagementResult.NameTaken, folder.Open(Of("PLAIN"), isForWriting: true, create: true, out _));
        Assert.Equal(ManagementResult.NotFound, folder.Open(Of("nowhere/new"), isForWriting: true, create: true, out _));
        Assert.Equal(ManagementResult.Done, folder.Open(Of("below/new"), isForWriting: true, create: true, out IGrantedFile? file));
        using (file)
        {
            ulong version = file!.Version;
            Assert.True(file.TryWrite(2, "abc"u8));
            Assert.Equal(5ul, file.Length);
            Assert.NotEqual(version, file.Version);
            byte[] read = new byte[8];
            Assert.True(file.TryRead(1, read, out int count));
            Assert.Equal("\0abc"u8, read.AsSpan(0, count));
            Assert.True(file.TryClear());
            Assert.True(file.TryRead(1, read, out count));
            Assert.Equal((0, 0ul), (count, file.Length));
        }

        // Directories, and no links.
        Assert.Equal(["below/", "plain"], Names(folder, FolderPath.Root));
        Assert.Equal(["deep", "new"], Names(folder, Of("below")));
        Assert.Equal(ManagementResult.Done, folder.Remove(Of("below/deep"), out ulong freed));
        Assert.Equal((4ul, false), (freed, File.Exists(Path.Combine(_root, "below", "deep"))));
    }

    [Fact]
    public void A_file_that_the_host_makes_shorter_is_read_as_far_as_it_goes()
    {
        using HostFolder folder = Open();
        Assert.Equal(ManagementResult.Done, folder.Open(Of("plain"), isForWriting: false, create: false, out IGrantedFile? file));
        using (file)
        {
            ulong version = file!.Version;
            File.WriteAllText(Path.Combine(_root, "plain"), "pl");
            byte[] read = new byte[8];
            Assert.True(file.TryRead(0, read, out int count));
            Assert.Equal((2, true), (count, file.Version != version));
        }
    }

    [Fact]
    public void What_is_no_directory_cannot_be_granted()
    {
        Assert.Null(HostFolder.TryOpen(Path.Combine(_root, "plain"), isWritable: true));
        Assert.Null(HostFolder.TryOpen(Path.Combine(_root, "nowhere"), isWritable: true));
    }

    private static FolderPath Of(string name) => FolderPath.TryParse(Encoding.UTF8.GetBytes(name))!;

    private static IEnumerable<string> Names(HostFolder folder, FolderPath directory)
    {
        for (int index = 0; folder.List(directory, index, out FolderEntry entry) == ManagementResult.Done; index++)
            yield return entry.Name + (entry.Length is null ? "/" : "");
    }

    private static void Shell(string command, params string[] arguments)
    {
        using Process process = Process.Start(command, arguments);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }

    private HostFolder Open()
    {
        Assert.SkipUnless(DirectoryDescriptor.IsSupported, "This system has no openat2.");
        return HostFolder.TryOpen(_root, isWritable: true)!;
    }
}
