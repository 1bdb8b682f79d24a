namespace Dma.Properties;

/// <summary>Every kind of translation, set up over the socket by bare numbers and checked by the test device: the cases of QEMU's own test of its unit.</summary>
public sealed class QtestTranslationTests
{
    private const ulong Unit = 0xFED9_0000;
    private const ulong Bar = 0xE020_0000;
    private const ulong RootTable = 0x10_0000;
    private const ulong ContextTable = 0x10_2000;
    private const ulong PasidDirectory = 0x10_4000;
    private const ulong PasidTable = 0x10_5000;
    private const ulong Queue = 0x10_6000;
    private const ulong Tables = 0x10_8000;
    private const ulong DeviceAddress = 0x12_3456_7000;
    private const ulong Page = 0x20_0000;
    private const ulong DomainId = 1;
    private const int DeviceFunction = 0x30;

    public enum Mode
    {
        LegacyPassThrough,
        Legacy,
        ScalablePassThrough,
        ScalableSecondStage,
        ScalableFirstStage,
    }

    [Theory]
    [InlineData(Mode.LegacyPassThrough, "qemu")]
    [InlineData(Mode.Legacy, "qemu")]
    [InlineData(Mode.Legacy, "friendly")]
    [InlineData(Mode.Legacy, "hostile")]
    [InlineData(Mode.ScalablePassThrough, "friendly-scalable")]
    [InlineData(Mode.ScalableSecondStage, "friendly-scalable")]
    [InlineData(Mode.ScalableFirstStage, "friendly-scalable")]
    public void The_pattern_arrives_where_the_tables_lead(Mode mode, string profile)
    {
        using QtestRun run = new("--profile", profile, "--ram-size", "16M");
        QtestWire wire = run.Wire;
        PlaceDevice(wire);
        bool isDirect = mode is Mode.LegacyPassThrough or Mode.ScalablePassThrough;
        if (mode is Mode.LegacyPassThrough or Mode.Legacy)
            PutLegacy(wire, isDirect);
        else
            PutScalable(wire, mode);
        if (!isDirect)
            PutPaging(wire, isFirstStage: mode == Mode.ScalableFirstStage);
        Enable(wire, isScalable: mode >= Mode.ScalablePassThrough);

        (ulong device, ulong memory) = isDirect ? (Page + 16, Page + 16) : (DeviceAddress + 16, Page + 16);
        Assert.Equal(0ul, Run(wire, device, memory));
        Assert.Equal("0x0000000078563412785634120000000000000000", wire.Do($"read 0x{Page + 12:x} 20"));
        Assert.Equal(0ul, wire.Number($"readl 0x{Unit + 0x34:x}"));

        // One page further nothing is mapped, or no memory is.
        Assert.Equal(0xDEAD_0002ul, Run(wire, isDirect ? 1ul << 36 : device + 0x1000, memory));
        Assert.Equal(0, run.End().ExitCode);
    }

    private static void PlaceDevice(QtestWire wire)
    {
        foreach ((uint register, ulong value) in ((uint, ulong)[])[(0x10, Bar), (0x04, 6)])
        {
            _ = wire.Do($"outl 0xcf8 0x{0x8000_0000 | ((uint)DeviceFunction << 8) | register:x}");
            _ = wire.Do($"outl 0xcfc 0x{value:x}");
        }
    }

    private static void PutLegacy(QtestWire wire, bool isDirect)
    {
        Put(wire, RootTable, ContextTable | 1);
        Put(wire, ContextTable + (16 * DeviceFunction), isDirect ? (2 << 2) | 1 : Tables | 1, (DomainId << 8) | 2);
    }

    private static void PutScalable(QtestWire wire, Mode mode)
    {
        Put(wire, RootTable, ContextTable | 1);
        Put(wire, ContextTable + (32 * DeviceFunction), PasidDirectory | 1, 0, 0, 0);
        Put(wire, PasidDirectory, PasidTable | 1);
        ulong[] entry = mode switch
        {
            Mode.ScalablePassThrough => [(4 << 6) | (2 << 2) | 1, DomainId, 0],
            Mode.ScalableSecondStage => [Tables | (2 << 6) | (2 << 2) | 1, DomainId, 0],
            _ => [(1 << 6) | 1, DomainId, Tables],
        };
        Put(wire, PasidTable, [.. entry, 0, 0, 0, 0, 0]);
    }

    private static void PutPaging(QtestWire wire, bool isFirstStage)
    {
        // Read and write; or present, writable, user, accessed and, in the leaf, dirty.
        (ulong pointer, ulong leaf) = isFirstStage ? (0x27ul, 0x67ul) : (3ul, 3ul);
        for (int level = 4; level >= 1; level--)
        {
            ulong table = Tables + ((4 - (ulong)level) << 12);
            ulong index = (DeviceAddress >> (12 + (9 * (level - 1)))) & 0x1FF;
            Put(wire, table + (8 * index), level == 1 ? Page | leaf : (table + 0x1000) | pointer);
        }
    }

    private static void Enable(QtestWire wire, bool isScalable)
    {
        _ = wire.Do($"writeq 0x{Unit + 0x20:x} 0x{RootTable | (isScalable ? 1ul << 10 : 0):x}");
        ulong command = Command(wire, 0, 1u << 30);

        // In scalable mode the descriptors of the queue are wide: bit 11.
        _ = wire.Do($"writeq 0x{Unit + 0x90:x} 0x{Queue | (isScalable ? 1ul << 11 : 0):x}");
        _ = wire.Do($"writeq 0x{Unit + 0x88:x} 0");
        command = Command(wire, command & ~(1ul << 30), 1u << 26);
        _ = Command(wire, command, 1u << 31);
    }

    // Sets one more bit of the command register, and sees it in the status register.
    private static ulong Command(QtestWire wire, ulong before, ulong bit)
    {
        _ = wire.Do($"writel 0x{Unit + 0x18:x} 0x{before | bit:x}");
        Assert.NotEqual(0ul, wire.Number($"readl 0x{Unit + 0x1C:x}") & bit);
        return before | bit;
    }

    private static ulong Run(QtestWire wire, ulong device, ulong memory)
    {
        foreach ((ulong offset, ulong value) in ((ulong, ulong)[])
            [(0x04, (uint)device), (0x08, device >> 32), (0x1C, memory), (0x20, 0), (0x0C, 8), (0x14, 1)])
            _ = wire.Do($"writel 0x{Bar + offset:x} 0x{value:x}");
        _ = wire.Do($"readl 0x{Bar:x}");
        return wire.Number($"readl 0x{Bar + 0x10:x}");
    }

    private static void Put(QtestWire wire, ulong address, params ReadOnlySpan<ulong> values)
    {
        foreach (ulong value in values)
        {
            _ = wire.Do($"writeq 0x{address:x} 0x{value:x}");
            address += 8;
        }
    }
}
