using System.Diagnostics;
using System.Globalization;

namespace Dma.Properties;

/// <summary><c>dma serve</c> as a shell sees it.</summary>
public sealed class VfioUserCommandLineTests : IDisposable
{
    private readonly TemporaryFile _path = new();
    private readonly TemporaryFile _disk = new();

    public void Dispose()
    {
        _path.Dispose();
        _disk.Dispose();
    }

    [Theory]
    [InlineData("--socket", "serve")]
    [InlineData("'floppy' is no USB device.", "serve", "--socket", "{path}", "--device", "floppy=x")]
    [InlineData("does not exist", "serve", "--socket", "{path}", "--device", "disk=/nowhere/at/all")]
    [InlineData("'nobody' of --profile is none of friendly, ", "serve", "--socket", "{path}", "--profile", "nobody")]
    [InlineData("uhci", "serve", "--socket", "{path}", "--usb", "uhci")]
    [InlineData("is a directory", "serve", "--socket", "/tmp")]
    [InlineData("Nothing can listen at", "serve", "--socket", "/nowhere/at/all")]
    public void What_is_wrong_is_said_in_one_line_and_nothing_is_served(string problem, params string[] words)
    {
        ToolRun run = ToolRun.Of([.. words.Select(word => word == "{path}" ? _path.Path : word)]);
        Assert.Equal((2, ""), (run.ExitCode, run.Output));
        Assert.Contains(problem, run.Error, StringComparison.Ordinal);
        _ = Assert.Single(run.Error.TrimEnd('\n').Split('\n'));
        Assert.False(Path.Exists(_path.Path));
    }

    [Fact]
    public void More_disks_than_ports_are_refused()
    {
        File.WriteAllBytes(_disk.Path, new byte[512]);
        ToolRun run = ToolRun.Of(["serve", "--socket", _path.Path, .. Enumerable.Repeat<string[]>(["--device", $"disk={_disk.Path}"], 40).SelectMany(words => words)]);
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("The controller has no port left for 'disk=", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("TERM")]
    [InlineData("INT")]
    public void A_signal_ends_it_and_takes_the_socket_away(string signal)
    {
        File.WriteAllBytes(_disk.Path, new byte[4096]);

        // A shell that runs tests in the background lets what they start ignore SIGINT.
        ProcessStartInfo start = new(
            "env", ["--default-signal", Path.Combine(AppContext.BaseDirectory, "dma"), "serve", "--socket", _path.Path, "--device", $"disk={_disk.Path}"])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        using Process process = Process.Start(start)!;
        Assert.Equal($"dma: ehci is served at {_path.Path}", process.StandardError.ReadLine());
        using (VfioUserWire wire = VfioUserWire.Connect(_path.Path))
        {
            Assert.Equal(0x293A_8086u, wire.Read(VfioUserBench.Configuration, 0, 4));
            Assert.Equal("dma: client 1 connected", process.StandardError.ReadLine());
            using (Process.Start("kill", [$"-{signal}", process.Id.ToString(CultureInfo.InvariantCulture)]))
                Assert.True(process.WaitForExit(30_000));
            Assert.True(wire.IsClosed());
        }

        Assert.Equal((0, ""), (process.ExitCode, process.StandardOutput.ReadToEnd()));
        Assert.Equal("dma: client 1 left: the server ends; 0 interrupts, no access refused\ndma: done\n", process.StandardError.ReadToEnd());
        Assert.False(Path.Exists(_path.Path));
    }
}
