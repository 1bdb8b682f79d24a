using Dma.Lab;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Messages as a client would not send them: sensible ones with changes, and noise.</summary>
internal static class VfioUserMessages
{
    // Numbers at the edges of what messages speak of.
    private static readonly Gen<ulong> s_number = Gen.OneOf(
        Gen.Elements<ulong>(0, 1, 2, 3, 4, 7, 8, 9, 16, 20, 24, 32, 255, 256, 4095, 4096, 4097, 8192, 0xFEE0_0000, uint.MaxValue, 1ul << 32, 1ul << 39, 1ul << 52, ulong.MaxValue - 4095, ulong.MaxValue),
        Gen.Choose(0, 4096).Select(value => (ulong)value),
        Gen.Choose(0, 64).Select(page => (ulong)page * 4096),
        Generate.Any64);

    /// <summary>A command and what follows its header.</summary>
    public static Gen<(VfioUserCommand Command, byte[] Payload)> Commands { get; } = Gen.Frequency(
        (4, Of(VfioUserCommand.DmaMap, Fields(32, 4, 8, 8, 8, 4))),
        (4, Of(VfioUserCommand.DmaUnmap, Fields(24, 4, 8, 8, 0, 4))),
        (1, Of(VfioUserCommand.DeviceGetInfo, Fields(16, 4, 4, 4))),
        (1, Of(VfioUserCommand.DeviceGetRegionInfo, Fields(32, 4, 4, 4, 8, 8))),
        (1, Of(VfioUserCommand.DeviceGetIrqInfo, Fields(16, 4, 4, 4))),
        (6, Of(VfioUserCommand.DeviceSetIrqs, Fields(20, 4, 4, 4, 4))),
        (4, Of(VfioUserCommand.RegionRead, Access(withData: false))),
        (8, Of(VfioUserCommand.RegionWrite, Access(withData: true))),
        (3, Of(VfioUserCommand.RegionWriteMulti, Gen.Choose(0, 80).SelectMany(Noise))),
        (1, Of(VfioUserCommand.DeviceReset, Gen.Constant(Array.Empty<byte>()))),
        (1, Of(VfioUserCommand.Version, Gen.Choose(0, 40).SelectMany(Noise))),
        (2, from command in Gen.Choose(0, 24) from payload in Gen.Choose(0, 64).SelectMany(Noise) select ((VfioUserCommand)command, payload)));

    /// <summary>What one client sends: whole messages, cut ones, and noise in between.</summary>
    public static Arbitrary<byte[][]> Streams { get; } = Generate.Program(
        Gen.Frequency(
            (12, from message in Commands from id in Gen.Choose(0, 65_535) select VfioUserWire.Message((ushort)id, message.Command, message.Payload)),
            (2, from message in Commands from flags in Gen.Choose(0, 63) select VfioUserWire.Message(1, message.Command, message.Payload, (MessageFlags)flags)),
            (1, from message in Commands from cut in Gen.Choose(0, 20) select VfioUserWire.Message(1, message.Command, message.Payload)[..Math.Min(cut, 16)]),
            (1, Gen.Choose(1, 40).SelectMany(Noise))),
        stepsMax: 60);

    private static Gen<(VfioUserCommand Command, byte[] Payload)> Of(VfioUserCommand command, Gen<byte[]> payload) =>
        from bytes in payload
        from change in Gen.Frequency((8, Gen.Constant(0)), (1, Gen.Choose(-8, 8)))
        select (command, change < 0 ? bytes[..Math.Max(0, bytes.Length + change)] : [.. bytes, .. new byte[change]]);

    private static Gen<byte[]> Noise(int length) => Gen.Choose(0, 255).Select(value => (byte)value).ArrayOf(length);

    // The size of the structure first, most of the time, and then fields of some widths.
    private static Gen<byte[]> Fields(uint size, params int[] widths) =>
        from argument in Gen.Frequency((9, Gen.Constant((ulong)size)), (1, s_number))
        from numbers in s_number.ArrayOf(widths.Length)
        from flags in Gen.Choose(0, 63)
        select (byte[])[
            .. BitConverter.GetBytes((uint)argument),
            .. widths.SelectMany((width, index) => BitConverter.GetBytes(index == 0 ? (ulong)flags : numbers[index])[..width])];

    private static Gen<byte[]> Access(bool withData) =>
        from offset in Gen.OneOf(Gen.Choose(0, 300).Select(value => (ulong)value), s_number)
        from region in Gen.Frequency((4, Gen.Elements(0u, 7u)), (1, Gen.Choose(0, 12).Select(value => (uint)value)))
        from count in Gen.Choose(0, 12)
        from data in Noise(withData ? count : 0)
        select (byte[])[.. BitConverter.GetBytes(offset), .. BitConverter.GetBytes(region), .. BitConverter.GetBytes((uint)count), .. data];
}
