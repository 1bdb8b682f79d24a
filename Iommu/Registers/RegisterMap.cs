using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The registers of a unit as data: which there are, what they are after reset, and which bits take what is written.</summary>
internal static class RegisterMap
{
    private static readonly ulong _eventControlReset = new EventControl { Mask = true }.Raw.Value;
    private static readonly ulong _eventControlWritable = new EventControl { Mask = true }.Raw.Value;
    private static readonly ulong _pages = Bits64.Mask(63, 12);

    /// <summary>A file of all registers of the profile, in a window of whole pages.</summary>
    public static RegisterFile Create(HardwareProfile profile)
    {
        List<Register> registers =
        [
            new(RegisterOffsets.Version, 4, "VER", new(profile.Version.Raw.Value)),
            new(RegisterOffsets.Capability, 8, "CAP", new(profile.Capabilities.Raw.Value)),
            new(RegisterOffsets.ExtendedCapability, 8, "ECAP", new(profile.ExtendedCapabilities.Raw.Value)),
            new(RegisterOffsets.GlobalCommand, 4, "GCMD", new(0, Writable: Bits64.Mask(31, 23), Unreadable: Bits64.Mask(31, 0))),
            new(RegisterOffsets.GlobalStatus, 4, "GSTS", new(0)),
            new(RegisterOffsets.RootTableAddress, 8, "RTADDR", new(0, Writable: _pages | Modes(profile))),
            .. Event("FE", RegisterOffsets.FaultEventControl, profile),
            .. Faults(profile),
            .. RegisterInvalidation(profile),
            .. ProtectedMemory(profile),
            .. Queue(profile),
            .. InterruptTable(profile),
            .. PageRequests(profile),
            .. MemoryTypes(profile),
            .. EnhancedCommands(profile),
        ];
        int end = registers.Max(register => register.Offset + register.Width);
        return new((end + 4095) & ~4095, registers);
    }

    /// <summary>Whether the unit takes invalidation commands by register: not from major version 6 on.</summary>
    public static bool HasRegisterInvalidation(HardwareProfile profile) => profile.Version.Major < 6;

    /// <summary>Whether the unit has protected memory regions.</summary>
    public static bool HasProtectedMemory(HardwareProfile profile) =>
        profile.Capabilities.ProtectedLowMemory || profile.Capabilities.ProtectedHighMemory;

    // A unit that knows nothing but legacy mode has no mode to choose.
    private static ulong Modes(HardwareProfile profile) =>
        profile.ExtendedCapabilities.ScalableMode || profile.ExtendedCapabilities.AbortDma
            ? new RootTableAddress { Mode = (TranslationTableMode)3 }.Raw.Value
            : 0;

    private static IEnumerable<Register> Event(string prefix, int control, HardwareProfile profile)
    {
        ulong upper = profile.ExtendedCapabilities.ExtendedInterruptMode ? Bits64.Mask(31, 0) : 0;
        yield return new(control, 4, prefix + "CTL", new(_eventControlReset, Writable: _eventControlWritable));
        yield return new(control + 4, 4, prefix + "DATA", new(0, Writable: Bits64.Mask(15, 0)));
        yield return new(control + 8, 4, prefix + "ADDR", new(0, Writable: Bits64.Mask(31, 2)));
        yield return new(control + 12, 4, prefix + "UADDR", new(0, Writable: upper));
    }

    private static IEnumerable<Register> Faults(HardwareProfile profile)
    {
        bool deviceTlb = profile.ExtendedCapabilities.DeviceTlb;
        FaultStatus clearable = new()
        {
            PrimaryFaultOverflow = true,
            InvalidationQueueError = true,
            InvalidationCompletionError = deviceTlb,
            InvalidationTimeout = deviceTlb,
        };
        yield return new(RegisterOffsets.FaultStatus, 4, "FSTS", new(0, ClearOnOne: clearable.Raw.Value));
        for (int index = 0; index <= profile.Capabilities.FaultRecordsCode; index++)
        {
            int offset = RegisterOffsets.FaultRecord(profile.Capabilities, index);
            yield return new(offset, 8, $"FRCD{index}_LO", new(0));
            yield return new(offset + 8, 8, $"FRCD{index}_HI", new(0, ClearOnOne: 1ul << 63));
        }
    }

    private static IEnumerable<Register> RegisterInvalidation(HardwareProfile profile)
    {
        if (!HasRegisterInvalidation(profile))
            yield break;

        // The granularity done is read only. The trigger takes a one, and hardware clears it.
        ulong context = Bits64.Mask(63, 61) | Bits64.Mask(33, 0);
        ulong iotlb = Bits64.Mask(63, 63) | Bits64.Mask(61, 60) | Bits64.Mask(49, 32);
        ulong address = _pages | Bits64.Mask(6, 0);
        ExtendedCapabilityRegister extended = profile.ExtendedCapabilities;
        yield return new(RegisterOffsets.ContextCommand, 8, "CCMD", new(0, Writable: context));
        yield return new(RegisterOffsets.IotlbInvalidate(extended), 8, "IOTLB", new(0, Writable: iotlb));
        yield return new(RegisterOffsets.InvalidateAddress(extended), 8, "IVA", new(0, Writable: address, Unreadable: ulong.MaxValue));
    }

    private static IEnumerable<Register> ProtectedMemory(HardwareProfile profile)
    {
        if (!HasProtectedMemory(profile))
            yield break;
        bool low = profile.Capabilities.ProtectedLowMemory;
        bool high = profile.Capabilities.ProtectedHighMemory;
        ulong lowBits = low ? Bits64.Mask(31, ProtectedRegions.Granularity) : 0;
        ulong highBits = high ? Bits64.Mask(profile.HostAddressWidth - 1, ProtectedRegions.Granularity) : 0;
        yield return new(RegisterOffsets.ProtectedMemoryEnable, 4, "PMEN", new(0, Writable: new ProtectedMemoryEnable { Enable = true }.Raw.Value));
        yield return new(RegisterOffsets.ProtectedLowBase, 4, "PLMBASE", new(0, Writable: lowBits));
        yield return new(RegisterOffsets.ProtectedLowLimit, 4, "PLMLIMIT", new(0, Writable: lowBits));
        yield return new(RegisterOffsets.ProtectedHighBase, 8, "PHMBASE", new(0, Writable: highBits));
        yield return new(RegisterOffsets.ProtectedHighLimit, 8, "PHMLIMIT", new(0, Writable: highBits));
    }

    private static IEnumerable<Register> InterruptTable(HardwareProfile profile)
    {
        if (!profile.ExtendedCapabilities.InterruptRemapping)
            yield break;
        InterruptTableAddress fields = new() { SizeCode = 15, ExtendedInterruptMode = profile.ExtendedCapabilities.ExtendedInterruptMode };
        yield return new(RegisterOffsets.InterruptTableAddress, 8, "IRTA", new(0, Writable: _pages | fields.Raw.Value));
    }

    // Software chooses both ends of the queue; from then on the unit moves the tail.
    private static IEnumerable<Register> PageRequests(HardwareProfile profile) => profile.ExtendedCapabilities.PageRequests
        ? [
            new(RegisterOffsets.PageRequestQueueHead, 8, "PQH", new(0, Writable: Bits64.Mask(18, 5))),
            new(RegisterOffsets.PageRequestQueueTail, 8, "PQT", new(0, Writable: Bits64.Mask(18, 5))),
            new(RegisterOffsets.PageRequestQueueAddress, 8, "PQA", new(0, Writable: _pages | Bits64.Mask(2, 0))),
            new(RegisterOffsets.PageRequestStatus, 4, "PRS", new(0, ClearOnOne: 3)),
            .. Event("PE", RegisterOffsets.PageRequestEventControl, profile),
        ]
        : [];

    private static IEnumerable<Register> Queue(HardwareProfile profile)
    {
        if (!profile.ExtendedCapabilities.QueuedInvalidation)
            return [];
        ulong wide = new InvalidationQueueAddress { WideDescriptors = true }.Raw.Value;
        return
        [
            new(RegisterOffsets.InvalidationQueueHead, 8, "IQH", new(0)),
            new(RegisterOffsets.InvalidationQueueTail, 8, "IQT", new(0, Writable: Bits64.Mask(18, 4))),
            new(RegisterOffsets.InvalidationQueueAddress, 8, "IQA", new(0, Writable: _pages | wide | Bits64.Mask(2, 0))),
            new(RegisterOffsets.InvalidationCompletionStatus, 4, "ICS", new(0, ClearOnOne: 1)),
            .. Event("IE", RegisterOffsets.InvalidationEventControl, profile),
            new(RegisterOffsets.InvalidationQueueErrorRecord, 8, "IQERCD", new(0)),
        ];
    }

    // Software finds what it wrote there; memory is the same whatever type it has.
    private static IEnumerable<Register> MemoryTypes(HardwareProfile profile)
    {
        if (!profile.ExtendedCapabilities.MemoryTypes)
            yield break;
        MemoryTypeCapability has = new() { VariableRanges = RegisterOffsets.MtrrVariableRanges, FixedRanges = true, WriteCombining = true };
        ulong frames = Bits64.Mask(profile.HostAddressWidth - 1, 12);
        yield return new(RegisterOffsets.MtrrCapability, 8, "MTRRCAP", new(has.Raw.Value));
        yield return new(RegisterOffsets.MtrrDefault, 8, "MTRRDEF", new(0, Writable: Bits64.Mask(11, 10) | Bits64.Mask(7, 0)));
        for (int index = 0; index < RegisterOffsets.MtrrFixedRanges; index++)
            yield return new(RegisterOffsets.MtrrFixed + (8 * index), 8, $"MTRRFIX{index}", new(0, Writable: ulong.MaxValue));
        for (int index = 0; index < RegisterOffsets.MtrrVariableRanges; index++)
        {
            int offset = RegisterOffsets.MtrrVariable + (16 * index);
            yield return new(offset, 8, $"MTRRBASE{index}", new(0, Writable: frames | Bits64.Mask(7, 0)));
            yield return new(offset + 8, 8, $"MTRRMASK{index}", new(0, Writable: frames | Bits64.Mask(11, 11)));
        }
    }

    // ECCAP0 to ECCAP3 are zero, as where no register is: there is not one command that they could advertise.
    private static IEnumerable<Register> EnhancedCommands(HardwareProfile profile) => profile.Capabilities.EnhancedCommands
        ? [
            new(RegisterOffsets.EnhancedCommand, 8, "ECMD", new(0, Writable: ulong.MaxValue)),
            new(RegisterOffsets.EnhancedCommandOperand, 8, "ECEO", new(0, Writable: ulong.MaxValue)),
            new(RegisterOffsets.EnhancedCommandResponse, 8, "ECRSP", new(0)),
        ]
        : [];
}
