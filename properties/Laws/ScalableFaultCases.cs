using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>Which entry can last disable that a fault is recorded: entries before it can, too.</summary>
internal enum Qualification
{
    None = 0,
    Context,
    Directory,
    Entry,
}

/// <summary>One way to be refused in scalable mode.</summary>
/// <param name="Reason">The code of the reference sheet, section 6.3.</param>
/// <param name="By">Which entries qualify it.</param>
/// <param name="Type">How the PASID is translated.</param>
/// <param name="Spoil">What is wrong.</param>
internal sealed record ScalableFaultCase(FaultReason Reason, Qualification By, PasidTranslationType Type, Action<ScalableWorld, PasidTableEntry> Spoil)
{
    public bool Write { get; init; }

    public ulong At { get; init; } = ScalableFaultCases.Address;

    public DmaAttributes Attributes { get; init; } = ScalableFaultCases.User;

    public Func<HardwareProfile, HardwareProfile> Unit { get; init; } = profile => profile;

    public int SecondLevels { get; init; } = 4;
}

/// <summary>Every refusal of scalable mode by the path that the reference sheet names.</summary>
internal static class ScalableFaultCases
{
    public const ulong Address = 0x1234_5678_9000;
    public const ulong Page = 0x200_0000;
    public const ulong Nowhere = 1ul << 36;
    private const ulong Rom = 1ul << 32;
    private const ulong XD = 1ul << 63;
    private const PasidTranslationType First = PasidTranslationType.FirstStage;
    private const PasidTranslationType Second = PasidTranslationType.SecondStage;
    private const PasidTranslationType Nested = PasidTranslationType.Nested;
    private const PasidTranslationType Through = PasidTranslationType.PassThrough;

    public static Pasid Pasid { get; } = new(0x12345);

    public static DmaAttributes User { get; } = new() { Pasid = Pasid };

    public static DmaAttributes Plain { get; }

    public static IReadOnlyList<ScalableFaultCase> All { get; } =
        [.. Modes(), .. Contexts(), .. Pasids(), .. FirstStage(), .. NestedStages(), .. SecondStage(), .. Addresses()];

    /// <summary>A world in which nothing is wrong yet.</summary>
    public static ScalableWorld Create(ScalableFaultCase given, out PasidTableEntry entry)
    {
        ScalableWorld world = new(given.Unit(HardwareProfile.Named("friendly-scalable")));
        entry = world.Entry(given.Type, secondLevels: given.SecondLevels);
        world.PutPasid(Pasid, entry);
        world.PutPasid(new(5), entry);
        if (given.Type is Nested or Second)
            world.MapTables(entry);
        ulong moved = given.Type == Nested ? ScalableWorld.Moved : 0;
        if (given.Type == Nested)
            _ = world.MapSecond(entry, Page + moved, Page | 3);
        if (given.Type is First or Nested)
            _ = world.MapFirst(entry, Address, (Page + moved) | 7);
        else if (given.Type == Second)
            _ = world.MapSecond(entry, Address, Page | 3);
        return world;
    }

    private static ScalableFaultCase Case(FaultReason reason, Qualification by, PasidTranslationType type, Action<ScalableWorld, PasidTableEntry> spoil) =>
        new(reason, by, type, spoil);

    private static void SetMode(ScalableWorld world, ulong table, ulong mode)
    {
        world.World.Write(RegisterOffsets.RootTableAddress, table | (mode << 10));
        world.World.Command(new() { SetRootTablePointer = true, QueuedInvalidationEnable = true, TranslationEnable = true });
    }

    private static void SetContext(ScalableWorld world, Func<ScalableContextEntry, ScalableContextEntry> change) => world.Context = change(world.Context);

    private static void Set(ScalableWorld world, PhysicalAddress place, ulong bits, ulong value) =>
        world.Put(place, (world.Get<ulong>(place) & ~bits) | value);

    private static IEnumerable<ScalableFaultCase> Modes()
    {
        const FaultReason Mode = FaultReason.TranslationModeInvalid;
        yield return Case(Mode, Qualification.None, First, (world, _) => SetMode(world, RemappingWorld.RootTable, 2));
        yield return Case(Mode, Qualification.None, First, (world, _) => SetMode(world, RemappingWorld.RootTable, 3)) with
        {
            Unit = unit => unit with { ExtendedCapabilities = unit.ExtendedCapabilities with { AbortDma = false } },
        };
        yield return Case(Mode, Qualification.None, First, (world, _) => SetMode(world, RemappingWorld.RootTable, 1)) with
        {
            Unit = unit => unit with { ExtendedCapabilities = unit.ExtendedCapabilities with { ScalableMode = false } },
        };
        yield return Case(FaultReason.PasidInLegacyMode, Qualification.None, First, (world, _) => SetMode(world, RemappingWorld.RootTable, 0));
    }

    private static IEnumerable<ScalableFaultCase> Contexts()
    {
        yield return Case(FaultReason.ScalableRootAccess, Qualification.None, First, (world, _) => SetMode(world, Nowhere, 1));
        yield return Case(FaultReason.ScalableRootNotPresent, Qualification.None, First, (world, _) => Set(world, ScalableWorld.RootPlace, 1, 0));
        yield return Case(FaultReason.ScalableRootReserved, Qualification.None, First, (world, _) => Set(world, ScalableWorld.RootPlace, 0, 2));
        yield return Case(FaultReason.ScalableContextAccess, Qualification.None, First, (world, _) => world.Put(ScalableWorld.RootPlace, Nowhere | 1));
        yield return Case(FaultReason.ScalableContextNotPresent, Qualification.Context, First, (world, _) => SetContext(world, context => context with { Present = false }));
        yield return Case(FaultReason.ScalableContextReserved, Qualification.Context, First, (world, _) => Set(world, world.ContextPlace, 0, 0x20));
        yield return Case(FaultReason.ScalableContextInvalid, Qualification.Context, First, (world, _) => SetContext(world, context => context with { PageRequestsEnabled = true })) with
        {
            Unit = unit => unit with { ExtendedCapabilities = unit.ExtendedCapabilities with { PageRequests = false } },
        };
        yield return Case(FaultReason.ScalableContextInvalid, Qualification.Context, First, (_, _) => { }) with
        {
            Unit = unit => unit with { ExtendedCapabilities = unit.ExtendedCapabilities with { DeviceTlb = false } },
        };
        yield return Case(FaultReason.ScalableContextInvalid, Qualification.Context, First, (_, _) => { }) with
        {
            Unit = unit => unit with { ExtendedCapabilities = unit.ExtendedCapabilities with { ProcessAddressSpaces = false } },
        };
        yield return Case(FaultReason.DeviceTlbDisabled, Qualification.Context, First, (world, _) => SetContext(world, context => context with { DeviceTlbEnabled = false })) with
        {
            Attributes = User with { AddressType = AddressType.Translated },
        };
        yield return Case(FaultReason.PasidDisabled, Qualification.Context, First, (world, _) => SetContext(world, context => context with { PasidEnabled = false }));
        yield return Case(FaultReason.PasidBeyondDirectory, Qualification.Context, First, (world, _) => SetContext(world, context => context with { PasidDirectorySize = 3 }));
        yield return Case(FaultReason.RequesterPasidBeyondDirectory, Qualification.Context, First, (world, _) => SetContext(world, context => context with { PasidDirectorySize = 0, RequesterPasid = new(1 << 13) })) with
        {
            Attributes = Plain,
        };
    }

    private static IEnumerable<ScalableFaultCase> Pasids()
    {
        yield return Case(FaultReason.PasidDirectoryAccess, Qualification.Context, First, (world, _) => SetContext(world, context => context with { PasidDirectory = new(Nowhere) }));
        yield return Case(FaultReason.PasidDirectoryNotPresent, Qualification.Directory, First, (world, _) => Set(world, world.DirectoryPlace(Pasid), 1, 0));
        yield return Case(FaultReason.PasidDirectoryReserved, Qualification.Directory, First, (world, _) => Set(world, world.DirectoryPlace(Pasid), 0, 4));
        yield return Case(FaultReason.PasidEntryAccess, Qualification.Directory, First, (world, _) => world.Put(world.DirectoryPlace(Pasid), Nowhere | 1));
        yield return Case(FaultReason.PasidEntryNotPresent, Qualification.Entry, First, (world, entry) => world.PutPasid(Pasid, entry with { Present = false }));
        yield return Case(FaultReason.PasidEntryReserved, Qualification.Entry, First, (world, _) => Set(world, world.PasidPlace(Pasid), 0, 0x20));
        foreach (int type in (int[])[0, 5, 6, 7])
            yield return Invalid(First, entry => entry with { TranslationType = (PasidTranslationType)type });
        yield return Invalid(First, entry => entry with { PagingMode = (FirstStagePagingMode)2 });
        yield return Invalid(Nested, entry => entry with { PagingMode = (FirstStagePagingMode)3 });
        yield return Invalid(Nested, entry => entry with { AddressWidth = 0 });
        yield return Invalid(Second, entry => entry with { AddressWidth = (AddressWidth)4 });
        yield return Invalid(First, entry => entry with { PagingMode = FirstStagePagingMode.FiveLevel }) with
        {
            Unit = unit => unit with { Capabilities = unit.Capabilities with { FirstStage5Level = false } },
        };
        foreach (PasidTranslationType type in (PasidTranslationType[])[First, Second, Nested, Through])
        {
            yield return Invalid(type, entry => entry) with
            {
                Unit = unit => unit with { ExtendedCapabilities = Without(unit.ExtendedCapabilities, type) },
            };
        }

        yield return Case(FaultReason.ExecuteRequestsDisabled, Qualification.Entry, First, (world, entry) => world.PutPasid(Pasid, entry with { ExecuteRequestsEnabled = false })) with
        {
            Attributes = User with { Execute = true },
        };
        yield return Case(FaultReason.SupervisorRequestsDisabled, Qualification.Entry, Through, (world, entry) => world.PutPasid(Pasid, entry with { SupervisorRequestsEnabled = false })) with
        {
            Attributes = User with { Privileged = true },
        };
    }

    private static ScalableFaultCase Invalid(PasidTranslationType type, Func<PasidTableEntry, PasidTableEntry> change) =>
        Case(FaultReason.PasidEntryInvalid, Qualification.Entry, type, (world, entry) => world.PutPasid(Pasid, change(entry)));

    private static ExtendedCapabilityRegister Without(ExtendedCapabilityRegister capabilities, PasidTranslationType type) => type switch
    {
        First => capabilities with { FirstStage = false },
        Second => capabilities with { SecondStage = false },
        Nested => capabilities with { Nested = false },
        _ => capabilities with { PassThrough = false },
    };

    private static ScalableFaultCase Leaf(FaultReason reason, PasidTranslationType type, ulong leaf) =>
        Case(reason, Qualification.Entry, type, (world, entry) =>
        {
            if (type == Second)
                _ = world.MapSecond(entry, Address, leaf);
            else
                _ = world.MapFirst(entry, Address, leaf);
        });

    private static IEnumerable<ScalableFaultCase> FirstStage()
    {
        yield return Case(FaultReason.FirstStageTopAccess, Qualification.Entry, First, (world, entry) => world.PutPasid(Pasid, entry with { FirstStageTable = new(Nowhere) }));
        for (int level = 2; level <= 4; level++)
        {
            int at = level;
            yield return Case(FaultReason.FirstStageAccess, Qualification.Entry, First, (world, entry) => world.Put(FirstPlace(world, entry, at), Nowhere | 7));
        }

        for (int level = 1; level <= 4; level++)
        {
            int at = level;
            yield return Case(FaultReason.FirstStageNotPresent, Qualification.Entry, First, (world, entry) => Set(world, FirstPlace(world, entry, at), 1, 0));
            yield return Case(FaultReason.UserNotPermitted, Qualification.Entry, First, (world, entry) => Set(world, FirstPlace(world, entry, at), 4, 0));
            yield return Case(FaultReason.ScalableWriteNotPermitted, Qualification.Entry, First, (world, entry) => Set(world, FirstPlace(world, entry, at), 2, 0)) with { Write = true };
            yield return Case(FaultReason.ScalableWriteNotPermitted, Qualification.Entry, First, (world, entry) => Set(world, FirstPlace(world, entry, at), 2, 0)) with
            {
                Write = true,
                Attributes = User with { Atomic = true },
            };
            yield return Case(FaultReason.ExecuteNotPermitted, Qualification.Entry, First, (world, entry) => Set(world, FirstPlace(world, entry, at), 0, XD)) with
            {
                Attributes = User with { Execute = true },
            };
        }

        yield return Leaf(FaultReason.FirstStageReserved, First, (1ul << 51) | Page | 7);
        yield return Case(FaultReason.FirstStageReserved, Qualification.Entry, First, (world, entry) =>
        {
            world.PutPasid(Pasid, entry with { NoExecuteEnabled = false });
            Set(world, FirstPlace(world, entry, 3), 0, XD);
        });
        yield return Case(FaultReason.ExecuteNotPermitted, Qualification.Entry, First, (world, entry) => world.PutPasid(Pasid, entry with { SupervisorExecutionPrevented = true })) with
        {
            Attributes = User with { Execute = true, Privileged = true },
        };
        yield return Case(FaultReason.ScalableWriteNotPermitted, Qualification.Entry, First, (world, entry) =>
        {
            world.PutPasid(Pasid, entry with { WriteProtectEnabled = true });
            Set(world, FirstPlace(world, entry, 1), 2, 0);
        }) with
        {
            Write = true,
            Attributes = User with { Privileged = true },
        };
        yield return Case(FaultReason.FirstStageUpdateNotSnooped, Qualification.Entry, First, (world, entry) => world.PutPasid(Pasid, entry with { PageWalkSnoop = false }));
        yield return Case(FaultReason.FirstStageUpdateNotSnooped, Qualification.Entry, First, (_, _) => { }) with
        {
            Unit = unit => unit with { ExtendedCapabilities = unit.ExtendedCapabilities with { ScalableWalkCoherency = false } },
        };
        yield return Case(FaultReason.FirstStageUpdateFailed, Qualification.Entry, First, (world, entry) =>
        {
            AddRom(world, Address, Page | 7);
            world.Put(FirstPlace(world, entry, 2), Rom | 7);
        });
    }

    private static IEnumerable<ScalableFaultCase> NestedStages()
    {
        const ulong Beyond = 1ul << 39;
        yield return Case(FaultReason.NestedTableBeyondWidth, Qualification.Entry, Nested, (world, entry) => world.PutPasid(Pasid, entry with { FirstStageTable = new(Beyond) })) with { SecondLevels = 3 };
        yield return Case(FaultReason.NestedTableBeyondWidth, Qualification.Entry, Nested, (world, entry) => world.Put(FirstPlace(world, entry, 3), Beyond | 7)) with { SecondLevels = 3 };
        yield return Case(FaultReason.NestedTopTableNotReadable, Qualification.Entry, Nested, (world, entry) => Set(world, TablePlace(world, entry, 4), 1, 0));
        for (int level = 1; level <= 4; level++)
        {
            int at = level;
            if (level < 4)
                yield return Case(FaultReason.NestedTableNotReadable, Qualification.Entry, Nested, (world, entry) => Set(world, TablePlace(world, entry, at), 1, 0));
            yield return Case(FaultReason.NestedTableNotWritable, Qualification.Entry, Nested, (world, entry) => Set(world, TablePlace(world, entry, at), 2, 0));
            yield return Case(FaultReason.ScalableSecondStageNotPresent, Qualification.Entry, Nested, (world, entry) => Set(world, TablePlace(world, entry, at), 3, 0));
            yield return Case(FaultReason.ScalableSecondStageReserved, Qualification.Entry, Nested, (world, entry) => Set(world, TablePlace(world, entry, at), 0, 1ul << 62));
        }

        yield return Case(FaultReason.FirstStageTopAccess, Qualification.Entry, Nested, (world, entry) => world.MapSecond(entry, entry.FirstStageTable.Value, Nowhere | 3));
        yield return Case(FaultReason.ScalableSecondStageTopAccess, Qualification.Entry, Nested, (world, entry) => world.PutPasid(Pasid, entry with { SecondStageTable = new(Nowhere) }));
        yield return Case(FaultReason.ScalableSecondStageAccess, Qualification.Entry, Nested, (world, entry) => world.Put(SecondPlace(world, entry, Page + ScalableWorld.Moved, 2), Nowhere | 3));
        yield return Case(FaultReason.FirstStageUpdateNotSnooped, Qualification.Entry, Nested, (world, entry) => world.PutPasid(Pasid, entry with { PageWalkSnoop = false }));

        // What is wrong with the page itself, after all tables were read.
        yield return Case(FaultReason.ScalableAddressBeyondWidth, Qualification.Entry, Nested, (world, entry) => world.MapFirst(entry, Address, Beyond | 7)) with { SecondLevels = 3 };
        yield return OfPage(FaultReason.ScalableSecondStageNotPresent, 0);
        yield return OfPage(FaultReason.ScalableReadNotPermitted, Page | 2);
        yield return OfPage(FaultReason.ScalableWriteNotPermitted, Page | 1) with { Write = true };
        yield return OfPage(FaultReason.ScalableReadNotPermitted, Page | 2) with { Write = true, Attributes = User with { Atomic = true } };
        yield return OfPage(FaultReason.ScalableOutputInInterruptRange, InterruptRange.First | 3);
    }

    private static ScalableFaultCase OfPage(FaultReason reason, ulong leaf) =>
        Case(reason, Qualification.Entry, Nested, (world, entry) => world.MapSecond(entry, Page + ScalableWorld.Moved, leaf));

    private static IEnumerable<ScalableFaultCase> SecondStage()
    {
        yield return Case(FaultReason.ScalableSecondStageTopAccess, Qualification.Entry, Second, (world, entry) => world.PutPasid(Pasid, entry with { SecondStageTable = new(Nowhere) }));
        for (int level = 2; level <= 4; level++)
        {
            int at = level;
            yield return Case(FaultReason.ScalableSecondStageAccess, Qualification.Entry, Second, (world, entry) => world.Put(SecondPlace(world, entry, Address, at), Nowhere | 3));
        }

        yield return Leaf(FaultReason.ScalableSecondStageNotPresent, Second, Page);
        yield return Leaf(FaultReason.ScalableSecondStageReserved, Second, Page | 3 | (1ul << 62));
        yield return Leaf(FaultReason.ScalableReadNotPermitted, Second, Page | 2);
        yield return Leaf(FaultReason.ScalableWriteNotPermitted, Second, Page | 1) with { Write = true };
        yield return Leaf(FaultReason.ScalableReadNotPermitted, Second, Page | 2) with { Write = true, Attributes = User with { Atomic = true } };

        // An entry that only reads and one that only writes: no right is left.
        yield return Case(FaultReason.ScalableSecondStageNotPresent, Qualification.Entry, Second, (world, entry) =>
        {
            Set(world, SecondPlace(world, entry, Address, 3), 2, 0);
            Set(world, SecondPlace(world, entry, Address, 1), 1, 0);
        });
        yield return Case(FaultReason.SecondStageUpdateNotSnooped, Qualification.Entry, Second, (world, entry) =>
            world.PutPasid(Pasid, entry with { SecondStageAccessedDirty = true, PageWalkSnoop = false }));
        yield return Case(FaultReason.SecondStageUpdateFailed, Qualification.Entry, Second, (world, entry) =>
        {
            AddRom(world, Address, Page | 3);
            world.PutPasid(Pasid, entry with { SecondStageAccessedDirty = true });
            world.Put(SecondPlace(world, entry, Address, 2), Rom | 3);
        });
    }

    private static IEnumerable<ScalableFaultCase> Addresses()
    {
        foreach (ulong address in (ulong[])[1ul << 47, 1ul << 63, ulong.MaxValue >> 1, 0xFFFF_7FFF_FFFF_F000])
        {
            yield return Case(FaultReason.AddressNotCanonical, Qualification.Entry, First, (_, _) => { }) with { At = address };
            yield return Case(FaultReason.AddressNotCanonical, Qualification.Entry, Nested, (_, _) => { }) with { At = address };
        }

        yield return Case(FaultReason.AddressBeyondHost, Qualification.Entry, Through, (_, _) => { }) with { At = 1ul << 46 };
        yield return Case(FaultReason.AddressBeyondHost, Qualification.Context, First, (_, _) => { }) with
        {
            At = 1ul << 46,
            Attributes = User with { AddressType = AddressType.Translated },
        };
        yield return Case(FaultReason.ScalableAddressBeyondWidth, Qualification.Entry, Second, (_, _) => { }) with { At = 1ul << 48 };
        yield return Case(FaultReason.ScalableAddressBeyondWidth, Qualification.Entry, Second, (_, _) => { }) with
        {
            At = 1ul << 42,
            Unit = unit => unit with { Capabilities = unit.Capabilities with { MaximumWidthCode = 41 } },
            SecondLevels = 4,
            Spoil = (_, _) => { },
        };
        yield return Case(FaultReason.ScalableOutputInInterruptRange, Qualification.Entry, Through, (_, _) => { }) with { At = InterruptRange.First };
        yield return Leaf(FaultReason.ScalableOutputInInterruptRange, First, InterruptRange.First | 7);
        yield return Leaf(FaultReason.ScalableOutputInInterruptRange, Second, InterruptRange.First | 3);
        yield return Case(FaultReason.ScalableOutputInInterruptRange, Qualification.Context, First, (_, _) => { }) with
        {
            At = InterruptRange.First,
            Attributes = User with { AddressType = AddressType.Translated },
        };
        yield return Case(FaultReason.InterruptRangeRequest, Qualification.None, First, (_, _) => { }) with { At = InterruptRange.First, Attributes = Plain };
    }

    // A table of read-only memory with one entry.
    private static void AddRom(ScalableWorld world, ulong address, ulong entry)
    {
        byte[] table = new byte[4096];
        Assert.True(BitConverter.TryWriteBytes(table.AsSpan((int)((address >> 12) & 0x1FF) * 8), entry));
        world.Memory.AddRom(new(Rom), table);
    }

    /// <summary>Where the first-stage entry of the address at a level is.</summary>
    public static PhysicalAddress FirstPlace(ScalableWorld world, PasidTableEntry entry, int level)
    {
        ulong moved = entry.TranslationType == Nested ? ScalableWorld.Moved : 0;
        return EntryPlace(world, entry.FirstStageTable.Value - moved, entry.PagingMode == FirstStagePagingMode.FiveLevel ? 5 : 4, Address, level, moved);
    }

    /// <summary>Where the second-stage entry of an address at a level is.</summary>
    public static PhysicalAddress SecondPlace(ScalableWorld world, PasidTableEntry entry, ulong address, int level) =>
        EntryPlace(world, entry.SecondStageTable.Value, (int)entry.AddressWidth + 2, address, level, 0);

    // The second-stage leaf of the first-stage table that holds the entry of a level.
    private static PhysicalAddress TablePlace(ScalableWorld world, PasidTableEntry entry, int level) =>
        SecondPlace(world, entry, FirstPlace(world, entry, level).Value + ScalableWorld.Moved, 1);

    private static PhysicalAddress EntryPlace(ScalableWorld world, ulong table, int levels, ulong address, int level, ulong moved)
    {
        for (int current = levels; ; current--)
        {
            PhysicalAddress place = new(table + (((address >> (3 + (9 * current))) & 0x1FF) * 8));
            if (current == level)
                return place;
            table = (world.Get<ulong>(place) & 0x000F_FFFF_FFFF_F000) - moved;
        }
    }
}
