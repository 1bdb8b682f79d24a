using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>One mapped page in legacy mode, and what a refused request must leave behind.</summary>
internal static class LegacyFaults
{
    public const ulong Address = 0x20_0000_0000;
    public const ulong Target = 0x20_0000;

    public static RemappingWorld Mapped(string profile = "friendly") => Mapped(HardwareProfile.Named(profile));

    public static RemappingWorld Mapped(HardwareProfile profile)
    {
        RemappingWorld world = new(profile);
        PhysicalAddress top = world.Frame();
        world.PutContext(RemappingWorld.Device, world.Context(top));
        world.Map(top, RemappingWorld.Widest(profile), Address, RemappingWorld.Page(Target));
        return world.Enable();
    }

    public static PhysicalAddress Place(RemappingWorld world, int level)
    {
        Assert.True(world.Memory.TryRead(world.ContextPlace(RemappingWorld.Device), out Bits128 raw));
        ContextEntry context = new(raw);
        return world.EntryPlace(context.SecondStageTable, context.AddressWidth, Address, level);
    }

    // Transcribed from the table of section 2.2; the two profiles differ in host width, SNP and superpages.
    public static bool IsReserved(HardwareProfile profile, int level, int bit) => bit switch
    {
        7 => level >= 4 || (level == 3 && !profile.Capabilities.SecondStage1G) || (level == 2 && !profile.Capabilities.SecondStage2M),
        11 => level > 1 || !profile.ExtendedCapabilities.SnoopControl,
        62 => true,
        _ => bit < 52 && bit >= profile.HostAddressWidth,
    };

    public static void Check(RemappingWorld world, FaultReason reason, bool passes, bool write)
    {
        world.InvalidateIotlb(IotlbGranularity.Global);
        Assert.Equal(passes, world.Port.TryTranslate(new(Address), write, out PhysicalAddress target));
        if (passes)
            Assert.Equal(new PhysicalAddress(Target), target);
        else
            Assert.Equal(reason, world.TakeFault().Fault.Reason);
        Assert.Equal(reason, passes ? reason : world.Unit.Explain(RemappingWorld.Device, new(Address), write).Fault);
        world.Faults.Clear();
    }

    public static void Refused(RemappingWorld world, FaultReason reason, FaultDisposition disposition = FaultDisposition.Recorded, ulong at = Address)
    {
        world.InvalidateContext(ContextGranularity.Global);
        world.InvalidateIotlb(IotlbGranularity.Global);
        Drain(world);
        WalkTranscript told = world.Unit.Explain(RemappingWorld.Device, new(at), false);
        Assert.Equal(DmaStatus.Blocked, world.Port.Read(new(at), new byte[1]));
        (RemappingFault fault, FaultDisposition became) = world.TakeFault();
        Assert.Equal(new(RemappingWorld.Device, reason, new(at), false, default), fault);
        Assert.Equal(disposition, became);
        Assert.Equal(reason, told.Fault);
        Assert.Equal(disposition == FaultDisposition.Recorded, told.Reported);
        if (disposition != FaultDisposition.Recorded)
            return;
        FaultRecord record = world.Record(world.FaultStatus.FaultRecordIndex);
        Assert.True(record.Fault);
        Assert.True(record.Type1);
        Assert.Equal(reason, record.Reason);
        Assert.Equal(RemappingWorld.Device, record.Source);
        Assert.Equal(new Iova(at & ~0xFFFul), record.Address);
    }

    public static void Drain(RemappingWorld world)
    {
        for (int index = 0; index <= world.Profile.Capabilities.FaultRecordsCode; index++)
            world.Write(RegisterOffsets.FaultRecord(world.Profile.Capabilities, index) + 8, 1ul << 63);
        world.Write(RegisterOffsets.FaultStatus, 1, 4);
    }
}
