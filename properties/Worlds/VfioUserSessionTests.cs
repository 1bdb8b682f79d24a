using System.Runtime.InteropServices;
using System.Text;
using Dma.Lab;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>What a client is told of the function, and what reaches the function of what a client does to it.</summary>
public sealed class VfioUserSessionTests
{
    private const uint Configuration = VfioUserBench.Configuration;

    [Theory]
    [InlineData("", "{\"capabilities\":{}}")]
    [InlineData("{}", "{\"capabilities\":{}}")]
    [InlineData("{\"capabilities\":{\"max_msg_fds\":1}}", "{\"capabilities\":{\"max_msg_fds\":16}}")]
    [InlineData(
        "{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576,\"migration\":{\"pgsize\":4096,\"max_bitmap_size\":268435456},\"pgsizes\":4096,\"max_dma_maps\":65535,\"write_multiple\":true,\"twin_socket\":{\"supported\":true}}}",
        "{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576,\"pgsizes\":4096,\"max_dma_maps\":504,\"write_multiple\":true}}")]
    public void The_server_answers_with_what_it_has_of_the_capabilities_that_the_client_named(string sent, string expected)
    {
        using VfioUserBench bare = Silent();
        byte[] text = sent.Length == 0 ? [] : [.. Encoding.UTF8.GetBytes(sent), 0];
        Assert.Equal(ErrorNumber.None, bare.Try(VfioUserCommand.Version, VfioUserBench.Bytes(new VersionMessage(0, 7), text), out byte[] reply));
        Assert.Equal(new VersionMessage(0, 1), MemoryMarshal.Read<VersionMessage>(reply));
        Assert.Equal(expected + "\0", Encoding.UTF8.GetString(reply.AsSpan(4)));

        // A second time is one too many.
        Assert.Equal(ErrorNumber.Invalid, bare.Try(VfioUserCommand.Version, VfioUserBench.Bytes(new VersionMessage(0, 0)), out _));
    }

    [Theory]
    [InlineData(1, "")]
    [InlineData(0, "{")]
    [InlineData(0, "[]")]
    [InlineData(0, "{\"capabilities\":7}")]
    [InlineData(0, "{\"capabilities\":{\"max_msg_fds\":\"many\"}}")]
    [InlineData(0, "{\"capabilities\":{\"max_data_xfer_size\":0}}")]
    [InlineData(0, "{\"capabilities\":{\"max_data_xfer_size\":-1}}")]
    [InlineData(0, "{\"capabilities\":{\"write_multiple\":1}}")]
    public void What_makes_no_sense_as_a_version_is_refused_and_nothing_else_comes_before_one(ushort major, string sent)
    {
        using VfioUserBench bare = Silent();
        byte[] text = sent.Length == 0 ? [] : [.. Encoding.UTF8.GetBytes(sent), 0];
        Assert.Equal(ErrorNumber.Invalid, bare.Try(VfioUserCommand.Version, VfioUserBench.Bytes(new VersionMessage(major, 0), text), out _));
        Assert.Equal(ErrorNumber.Invalid, bare.Try(VfioUserCommand.DeviceReset, [], out _));
        Assert.Equal(ErrorNumber.Invalid, bare.Try(VfioUserCommand.Version, VfioUserBench.Bytes(new VersionMessage(0, 0), (byte)'{', (byte)'}'), out _));
        Assert.Equal(ErrorNumber.None, bare.Try(VfioUserCommand.Version, VfioUserBench.Bytes(new VersionMessage(0, 0)), out byte[] reply));
        Assert.Equal(new VersionMessage(0, 0), MemoryMarshal.Read<VersionMessage>(reply));
    }

    [Fact]
    public void The_device_has_nine_regions_and_five_types_of_interrupts()
    {
        using VfioUserBench bench = new();
        Assert.Equal(new DeviceInfo(16, 3, 9, 5), Tell<DeviceInfo>(bench, VfioUserCommand.DeviceGetInfo, new DeviceInfo(16, 0, 0, 0)));
        for (uint index = 0; index < 9; index++)
        {
            ulong size = index switch
            {
                0 => 4096,
                Configuration => 256,
                _ => 0,
            };
            RegionInfo expected = new(32, size == 0 ? 0 : 3u, index, 0, size, 0);
            Assert.Equal(expected, Tell<RegionInfo>(bench, VfioUserCommand.DeviceGetRegionInfo, new RegionInfo(64, 0, index, 0, 0, 0)));
        }

        foreach ((uint index, uint flags, uint count) in ((uint, uint, uint)[])[(0, 7, 1), (1, 3, 4), (2, 3, 0), (3, 1, 0), (4, 1, 0)])
            Assert.Equal(new InterruptInfo(16, flags, index, count), Tell<InterruptInfo>(bench, VfioUserCommand.DeviceGetIrqInfo, new InterruptInfo(16, 0, index, 0)));

        Assert.Equal(ErrorNumber.Invalid, bench.Try(VfioUserCommand.DeviceGetInfo, VfioUserBench.Bytes(new DeviceInfo(15, 0, 0, 0)), out _));
        Assert.Equal(ErrorNumber.Invalid, bench.Try(VfioUserCommand.DeviceGetRegionInfo, VfioUserBench.Bytes(new RegionInfo(32, 0, 9, 0, 0, 0)), out _));
        Assert.Equal(ErrorNumber.Invalid, bench.Try(VfioUserCommand.DeviceGetRegionInfo, VfioUserBench.Bytes(new RegionInfo(31, 0, 0, 0, 0, 0)), out _));
        Assert.Equal(ErrorNumber.Invalid, bench.Try(VfioUserCommand.DeviceGetIrqInfo, VfioUserBench.Bytes(new InterruptInfo(16, 0, 5, 0)), out _));
        Assert.Equal(ErrorNumber.Invalid, bench.Try(VfioUserCommand.DeviceGetIrqInfo, new byte[15], out _));
    }

    [Fact]
    public void Base_addresses_and_messages_of_the_client_stay_with_the_client()
    {
        using VfioUserBench bench = new();
        uint place = bench.Machine.Function.Space.Read(PciOffset.Bar0, 4);
        Assert.NotEqual(0u, place);
        Assert.Equal(0u, bench.Read32(Configuration, PciOffset.Bar0));
        bench.Write32(Configuration, PciOffset.Bar0, uint.MaxValue);
        Assert.Equal(0xFFFF_F000, bench.Read32(Configuration, PciOffset.Bar0));
        bench.Write32(Configuration, PciOffset.Bar0, 0xFEBF_1000);
        Assert.Equal(0xFEBF_1000, bench.Read32(Configuration, PciOffset.Bar0));
        int msi = bench.Read(Configuration, PciOffset.CapabilityPointer, 1)[0];
        bench.Write32(Configuration, (ulong)msi + 4, 0xFEE0_1000);
        bench.Write(Configuration, (ulong)msi + 2, 1, 0);
        Assert.Equal(0xFEE0_1000, bench.Read32(Configuration, (ulong)msi + 4));
        Assert.Equal(1, bench.Read(Configuration, (ulong)msi + 2, 1)[0] & 1);
        Assert.Equal(place, bench.Machine.Function.Space.Read(PciOffset.Bar0, 4));
        Assert.Equal(0u, bench.Machine.Function.Space.Read(msi + 4, 4));
        Assert.Equal(0u, bench.Machine.Function.Space.Read(msi + 2, 1) & 1);

        // Registers answer wherever the client has put them, and before it has switched memory space on.
        bench.Write32(0, 8, 0x1122_3344);
        Assert.Equal(0x1122_3344u, bench.Read32(0, 8));
        Assert.Equal(0x8086_0000u | 0x1234, BitConverter.ToUInt32([.. bench.Read(Configuration, 2, 2), .. bench.Read(Configuration, 0, 2)]));
    }

    [Fact]
    public void Registers_of_the_device_itself_are_passed_through()
    {
        ProbeFunction probe = new ProbeFunction().WithBar(0, 4096).WithRegister(new(0x60, 4, "OWN", new(5, Writable: 0xFF00)));
        using VfioUserBench bench = new(probe);
        Assert.Equal(5u, bench.Read32(Configuration, 0x60));
        bench.Write32(Configuration, 0x60, uint.MaxValue);
        Assert.Equal(0xFF05u, bench.Read32(Configuration, 0x60));
        bench.Write(Configuration, 0x61, 0x12);
        Assert.Equal(0x1205u, bench.Read32(Configuration, 0x60));
        Assert.Equal(0x1205u, probe.Configuration.Read(0x60, 4));
    }

    [Fact]
    public void An_access_of_any_length_becomes_aligned_ones_and_must_lie_in_its_region()
    {
        using VfioUserBench bench = new();
        byte[] pattern = [.. Enumerable.Range(1, 23).Select(value => (byte)value)];
        bench.Write(0, 0x103, pattern);
        Assert.Equal(pattern, bench.Read(0, 0x103, 23));
        Assert.Equal(256, bench.Read(Configuration, 0, 256).Length);
        Assert.Empty(bench.Read(0, 4096, 0));
        foreach ((uint region, ulong offset, uint count) in ((uint, ulong, uint)[])[
            (0, 4096, 1), (0, 4093, 4), (0, ulong.MaxValue, 2), (1, 0, 1), (6, 0, 1), (8, 0, 1), (9, 0, 0), (uint.MaxValue, 0, 1), (Configuration, 255, 2), (0, 0, uint.MaxValue)])
        {
            Assert.Equal(ErrorNumber.Invalid, bench.Try(VfioUserCommand.RegionRead, VfioUserBench.Bytes(new RegionAccess(offset, region, count)), out _));
            Assert.Equal(ErrorNumber.Invalid, bench.Try(VfioUserCommand.RegionWrite, VfioUserBench.Bytes(new RegionAccess(offset, region, count), new byte[count > 8 ? 8 : count]), out _));
        }

        Assert.Equal(ErrorNumber.Invalid, bench.Try(VfioUserCommand.RegionWrite, VfioUserBench.Bytes(new RegionAccess(0, 0, 4), 1, 2, 3), out _));
    }

    [Fact]
    public void Several_writes_in_one_message_are_all_done_or_none()
    {
        using VfioUserBench bench = new();
        byte[] good = [.. VfioUserBench.Bytes(new SmallRegionWrite(new(0, 0, 8), 0x1122_3344_5566_7788)), .. VfioUserBench.Bytes(new SmallRegionWrite(new(9, 0, 1), 0xAB))];
        byte[] bad = VfioUserBench.Bytes(new SmallRegionWrite(new(4096, 0, 1), 1));
        Assert.Equal(ErrorNumber.Invalid, bench.Try(VfioUserCommand.RegionWriteMulti, VfioUserBench.Bytes(3ul, [.. good, .. bad]), out _));
        Assert.Equal(ErrorNumber.Invalid, bench.Try(VfioUserCommand.RegionWriteMulti, VfioUserBench.Bytes(3ul, good), out _));
        Assert.Equal(ErrorNumber.Invalid, bench.Try(VfioUserCommand.RegionWriteMulti, VfioUserBench.Bytes(ulong.MaxValue, good), out _));
        Assert.Equal(new byte[16], bench.Read(0, 0, 16));
        Assert.Equal(VfioUserBench.Bytes(2ul), bench.Do(VfioUserCommand.RegionWriteMulti, VfioUserBench.Bytes(2ul, good)));
        Assert.Equal(Convert.FromHexString("887766554433221100AB000000000000"), bench.Read(0, 0, 16));
    }

    [Fact]
    public void A_reset_takes_what_the_device_held_and_the_next_client_finds_nothing_of_the_last()
    {
        using VfioUserBench bench = new();
        bench.EnableBusMaster();
        bench.Write32(0, 0, 7);
        bench.Write32(Configuration, PciOffset.Bar0, 0xFEBF_1000);
        int before = bench.Function.Resets;
        _ = bench.Do(VfioUserCommand.DeviceReset, []);
        Assert.Equal(before + 1, bench.Function.Resets);
        Assert.Equal((0u, 0u), (bench.Read32(0, 0), bench.Read32(Configuration, PciOffset.Bar0)));
        Assert.Equal(PciCommand.None, bench.Function.Command & PciCommand.BusMaster);
        Assert.Equal(ErrorNumber.Invalid, bench.Try(VfioUserCommand.DeviceReset, [0], out _));

        bench.EnableBusMaster();
        bench.Write32(0, 0, 7);
        bench.Next();
        Assert.Equal((0u, 0u), (bench.Read32(0, 0), bench.Read32(Configuration, PciOffset.Bar0)));
        Assert.Equal(DmaStatus.NotMaster, bench.Function.Port.Write(new(0), [1]));
    }

    [Fact]
    public void What_is_not_offered_is_refused_politely()
    {
        using VfioUserBench bench = new();
        foreach (VfioUserCommand command in (VfioUserCommand[])[
            VfioUserCommand.DeviceGetRegionIoFds, VfioUserCommand.DirtyPages, VfioUserCommand.DeviceFeature, VfioUserCommand.MigrationDataRead, VfioUserCommand.MigrationDataWrite])
        {
            Assert.Equal(ErrorNumber.NotSupported, bench.Try(command, new byte[32], out _));
        }

        Assert.Equal(ErrorNumber.UnknownCommand, bench.Try((VfioUserCommand)19, [], out _));
        Assert.Equal(ErrorNumber.UnknownCommand, bench.Try(0, [], out _));
        Assert.Equal(ErrorNumber.Invalid, bench.Try(VfioUserCommand.DmaRead, new byte[16], out _));
        Assert.Equal(ErrorNumber.Invalid, bench.Try(VfioUserCommand.DeviceReset, [], out _, UnixDescriptors.CreateEvent()));
    }

    private static T Tell<T>(VfioUserBench bench, VfioUserCommand command, T question)
        where T : unmanaged => MemoryMarshal.Read<T>(bench.Do(command, VfioUserBench.Bytes(question)));

    private static VfioUserBench Silent()
    {
        VfioUserBench bench = new();
        bench.NextSilent();
        return bench;
    }
}
