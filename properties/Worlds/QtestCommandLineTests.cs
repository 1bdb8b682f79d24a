using System.Net.Sockets;
using Dma.Lab;
using Dma.Machine;

namespace Dma.Properties;

/// <summary><c>dma qtest</c> and command lines, sockets and files that are not as they should be.</summary>
public sealed class QtestCommandLineTests : IDisposable
{
    private readonly TemporaryFile _path = new();

    public void Dispose() => _path.Dispose();

    [Theory]
    [InlineData("Either --socket or --connect is needed.")]
    [InlineData("Either --socket or --connect is needed.", "--socket", "a", "--connect", "b")]
    [InlineData("Nobody can be reached at '/nowhere/at/all': there is no such directory.", "--connect", "/nowhere/at/all")]
    [InlineData("Nothing can listen at '/nowhere/at/all': there is no such directory.", "--socket", "/nowhere/at/all")]
    [InlineData("'/tmp' is a directory.", "--socket", "/tmp")]
    [InlineData("A size is a whole number of bytes", "--connect", "x", "--ram-size", "5T")]
    [InlineData("A size is a whole number of bytes", "--connect", "x", "--ram-size", "99999999999999999999")]
    [InlineData("A size is a whole number of bytes", "--connect", "x", "--ram-size", "18014398509481985K")]
    [InlineData("no multiple of 4096", "--connect", "x", "--ram-size", "1000")]
    [InlineData("no multiple of 4096", "--connect", "x", "--ram-size", "0")]
    [InlineData("beyond the 36 address bits", "--connect", "x", "--ram-size", "64G", "--profile", "minimal")]
    [InlineData("'nobody' of --profile is none of friendly, ", "--connect", "x", "--profile", "nobody")]
    [InlineData("'maybe' of --translation is none of on, off.", "--connect", "x", "--translation", "maybe")]
    [InlineData("'uhci' of --usb is none of ehci, xhci.", "--connect", "x", "--usb", "uhci")]
    [InlineData("'edu2' is no device", "--connect", "x", "--device", "edu2@00:04.0")]
    [InlineData("'edu' has no place", "--connect", "x", "--device", "edu")]
    [InlineData("'edu@01:04.0' has no place", "--connect", "x", "--device", "edu@01:04.0")]
    [InlineData("'edu@00:20.0' has no place", "--connect", "x", "--device", "edu@00:20.0")]
    [InlineData("'edu@00:04.8' has no place", "--connect", "x", "--device", "edu@00:04.8")]
    [InlineData("'edu@00:04.0,dma_mask=x' has an option", "--connect", "x", "--device", "edu@00:04.0,dma_mask=x")]
    [InlineData("'iommu-testdev@00:04.0,dma_mask=1' has an option", "--connect", "x", "--device", "iommu-testdev@00:04.0,dma_mask=1")]
    [InlineData("Something is plugged in at device 4", "--connect", "x", "--device", "edu@00:04.0", "--device", "iommu-testdev@00:04.0")]
    [InlineData("The USB device 'disk=nothing.img' needs a controller", "--connect", "x", "--device", "disk=nothing.img")]
    [InlineData("The disk 'nothing.img' does not exist.", "--connect", "x", "--usb", "ehci", "--device", "disk=nothing.img")]
    [InlineData("The file '/tmp' cannot hold 536870912 bytes of memory", "--connect", "x", "--ram-file", "/tmp")]
    [InlineData("The file '/nowhere/at/all' cannot hold", "--connect", "x", "--ram-file", "/nowhere/at/all")]
    [InlineData("The file '/dev/null' cannot hold", "--connect", "x", "--ram-file", "/dev/null")]
    public void What_cannot_be_is_refused_in_one_line(string problem, params string[] words)
    {
        ToolRun run = ToolRun.Of(["qtest", .. words]);
        Assert.Equal((ExitCode.BadInput, ""), (run.ExitCode, run.Output));
        Assert.Contains(problem, run.Error, StringComparison.Ordinal);
        Assert.Equal(1, run.Error.Count(character => character == '\n'));
    }

    [Fact]
    public void More_disks_than_ports_are_refused()
    {
        File.WriteAllBytes(_path.Path, new byte[512]);
        string[] disks = [.. Enumerable.Repeat(new[] { "--device", $"disk={_path.Path}" }, 5).SelectMany(words => words)];
        ToolRun run = ToolRun.Of(["qtest", "--connect", "x", "--usb", "ehci", .. disks]);
        Assert.Equal(ExitCode.BadInput, run.ExitCode);
        Assert.Contains("The controller has no port left for 'disk=", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_help_says_where_things_are()
    {
        string help = ToolRun.Of("qtest", "--help").Output;
        foreach (string place in (string[])["00:1d.0", "0xfed90000", "0xb0000000", "0xcf8", "edu@00:04.0", "iommu-testdev@00:06.0"])
            Assert.Contains(place, help.ReplaceLineEndings(" "), StringComparison.Ordinal);
    }

    [Fact]
    public void A_place_where_somebody_listens_or_a_file_lies_is_not_taken()
    {
        File.WriteAllText(_path.Path, "mine");
        Assert.False(QtestSocket.TryListen(_path.Path, out _, out string problem));
        Assert.Contains("is no socket", problem, StringComparison.Ordinal);
        Assert.Equal("mine", File.ReadAllText(_path.Path));
        File.Delete(_path.Path);

        Assert.True(QtestSocket.TryListen(_path.Path, out Socket? listener, out _));
        using (listener)
        {
            Assert.False(QtestSocket.TryListen(_path.Path, out _, out problem));
            Assert.Contains("listens at", problem, StringComparison.Ordinal);
            Assert.True(QtestSocket.TryConnect(_path.Path, out Socket? client, out _));
            client.Dispose();
        }

        Assert.False(Path.Exists(_path.Path));
        Assert.False(QtestSocket.TryConnect(new string('x', 200), out _, out problem));
        Assert.Contains("too long", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_socket_that_somebody_left_behind_is_replaced()
    {
        // A name that is taken away while the socket lives is not deleted with it: so it stays when put back.
        string kept = _path.Path + ".kept";
        Assert.True(QtestSocket.TryListen(_path.Path, out Socket? dead, out _));
        File.Move(_path.Path, kept);
        dead.Dispose();
        File.Move(kept, _path.Path);
        Assert.True(QtestSocket.TryListen(_path.Path, out Socket? listener, out string problem), problem);
        listener.Dispose();
    }

    [Theory]
    [InlineData("edu@00:04.0", "edu", 0x20, null)]
    [InlineData("edu@00:1f.7,dma_mask=0xffffffff", "edu", 0xFF, 0xFFFF_FFFFul)]
    [InlineData("iommu-testdev@00:00.1", "iommu-testdev", 1, null)]
    public void A_device_has_a_name_and_a_place(string text, string kind, int place, ulong? mask)
    {
        Assert.True(DeviceSpec.TryParse(text, out DeviceSpec? spec, out _));
        Assert.Equal(new(kind, new((ushort)place), mask), spec);
    }

    [Fact]
    public void Without_any_named_both_devices_are_there()
    {
        using ScriptedMachine machine = new(new());
        foreach (DeviceSpec spec in DeviceSpec.Default)
            spec.PlugInto(machine);
        Assert.Equal([0x20, 0x30], machine.Pci.Root.Functions.Select(function => (int)function.DeviceFunction));
        Assert.Equal(PciStatus.CapabilitiesList, (PciStatus)machine.Pci.ReadConfiguration(new(0, 4, 0), PciOffset.Status, 2));
    }
}
