using System.Reflection;
using System.Runtime.InteropServices;
using Dma.Lab;

namespace Dma.Properties;

/// <summary>Each message of vfio-user beside a table of its fields, transcribed from the specification: name, offset, bytes.</summary>
public sealed class VfioUserLayouts
{
    [Fact]
    public void Every_field_of_every_message_is_where_the_specification_has_it()
    {
        Probe<MessageHeader>(16, ("Id", 0, 2), ("Command", 2, 2), ("Size", 4, 4), ("Flags", 8, 4), ("Error", 12, 4));
        Probe<VersionMessage>(4, ("Major", 0, 2), ("Minor", 2, 2));
        Probe<DmaMapMessage>(32, ("ArgumentSize", 0, 4), ("Flags", 4, 4), ("Offset", 8, 8), ("Address", 16, 8), ("Size", 24, 8));
        Probe<DmaUnmapMessage>(24, ("ArgumentSize", 0, 4), ("Flags", 4, 4), ("Address", 8, 8), ("Size", 16, 8));
        Probe<DeviceInfo>(16, ("ArgumentSize", 0, 4), ("Flags", 4, 4), ("Regions", 8, 4), ("InterruptTypes", 12, 4));
        Probe<RegionInfo>(32, ("ArgumentSize", 0, 4), ("Flags", 4, 4), ("Index", 8, 4), ("CapabilityOffset", 12, 4), ("Size", 16, 8), ("Offset", 24, 8));
        Probe<InterruptInfo>(16, ("ArgumentSize", 0, 4), ("Flags", 4, 4), ("Index", 8, 4), ("Count", 12, 4));
        Probe<InterruptSet>(20, ("ArgumentSize", 0, 4), ("Flags", 4, 4), ("Index", 8, 4), ("Start", 12, 4), ("Count", 16, 4));
        Probe<RegionAccess>(16, ("Offset", 0, 8), ("Region", 8, 4), ("Count", 12, 4));
        Probe<DmaAccess>(16, ("Address", 0, 8), ("Count", 8, 8));
        Assert.Equal(24, Marshal.SizeOf<SmallRegionWrite>());
        Assert.Equal(new(new(0x0706_0504_0302_0100, 0x0B0A_0908, 0x0F0E_0D0C), 0x1716_1514_1312_1110), MemoryMarshal.Read<SmallRegionWrite>(Counted(24)));
    }

    [Fact]
    public void Commands_flags_and_error_numbers_have_the_numbers_of_the_specification()
    {
        Assert.Equal(
            "Version 1, DmaMap 2, DmaUnmap 3, DeviceGetInfo 4, DeviceGetRegionInfo 5, DeviceGetRegionIoFds 6, DeviceGetIrqInfo 7, DeviceSetIrqs 8, "
            + "RegionRead 9, RegionWrite 10, DmaRead 11, DmaWrite 12, DeviceReset 13, DirtyPages 14, RegionWriteMulti 15, DeviceFeature 16, "
            + "MigrationDataRead 17, MigrationDataWrite 18",
            string.Join(", ", Enum.GetValues<VfioUserCommand>().Select(command => $"{command} {(int)command}")));
        Assert.Equal((0xFu, 1u, 0x10u, 0x20u), ((uint)MessageFlags.TypeMask, (uint)MessageFlags.Reply, (uint)MessageFlags.NoReply, (uint)MessageFlags.Error));
        Assert.Equal(
            (1u, 2u, 4u, 8u, 16u, 32u),
            ((uint)InterruptSetFlags.DataNone, (uint)InterruptSetFlags.DataBool, (uint)InterruptSetFlags.DataEvent, (uint)InterruptSetFlags.Mask, (uint)InterruptSetFlags.Unmask, (uint)InterruptSetFlags.Trigger));
        Assert.Equal((6u, 7u, 9u), (RegionIndex.Rom, RegionIndex.Configuration, RegionIndex.Count));
        Assert.Equal("Intx 0, Msi 1, Msix 2, Error 3, Request 4", string.Join(", ", Enum.GetValues<InterruptType>().Select(type => $"{type} {(int)type}")));
        Assert.Equal(
            (2, 12, 13, 17, 22, 28, 38, 95),
            ((int)ErrorNumber.NotFound, (int)ErrorNumber.NoMemory, (int)ErrorNumber.NoAccess, (int)ErrorNumber.Exists, (int)ErrorNumber.Invalid, (int)ErrorNumber.NoSpace, (int)ErrorNumber.UnknownCommand, (int)ErrorNumber.NotSupported));
    }

    private static byte[] Counted(int size) => [.. Enumerable.Range(0, size).Select(value => (byte)value)];

    // Each byte has its own number, so that a field shows where it comes from.
    private static void Probe<T>(int size, params (string Name, int Offset, int Bytes)[] fields)
        where T : unmanaged
    {
        Assert.Equal(size, Marshal.SizeOf<T>());
        Assert.Equal(size, fields.Sum(field => field.Bytes));
        object message = MemoryMarshal.Read<T>(Counted(size));
        foreach ((string name, int offset, int bytes) in fields)
        {
            PropertyInfo property = typeof(T).GetProperty(name)!;
            object value = property.GetValue(message)!;
            ulong found = Convert.ToUInt64(property.PropertyType.IsEnum ? Convert.ChangeType(value, Enum.GetUnderlyingType(property.PropertyType), null) : value, null);
            ulong expected = 0;
            for (int at = bytes - 1; at >= 0; at--)
                expected = (expected << 8) | (uint)(offset + at);
            Assert.Equal((name, expected), (name, found));
        }
    }
}
