using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Iommu;

/// <summary>The fault records, the fault status register, and the event that tells software about them.</summary>
internal sealed class FaultLog
{
    private readonly RegisterFile _registers;
    private readonly HardwareProfile _profile;
    private readonly EventMessage _event;
    private readonly int _records;
    private int _next;

    public FaultLog(RegisterFile registers, HardwareProfile profile, EventMessage message)
    {
        _registers = registers;
        _profile = profile;
        _event = message;
        _records = profile.Capabilities.FaultRecordsCode + 1;
    }

    /// <summary>How many faults were detected, recorded or not.</summary>
    public ulong Detected { get; private set; }

    /// <summary>Who is told of each fault; may be null.</summary>
    public IRemappingObserver? Observer { get; set; }

    private FaultStatus Status
    {
        get => new(new(_registers[RegisterOffsets.FaultStatus]));
        set => _registers[RegisterOffsets.FaultStatus] = value.Raw.Value;
    }

    /// <summary>A request was refused.</summary>
    /// <param name="fault">What happened.</param>
    /// <param name="suppressed">Whether it is not to be recorded: an entry on the way, or the profile, says so.</param>
    public void Report(in RemappingFault fault, bool suppressed)
    {
        Detected++;
        FaultDisposition disposition = suppressed ? FaultDisposition.Suppressed : Record(fault);
        Observer?.FaultDetected(fault, disposition);
    }

    /// <summary>Records begin at the first one again.</summary>
    public void Reset() => _next = 0;

    /// <summary>A condition of the invalidation queue became an error: IQE, ICE or ITE.</summary>
    public void RaiseError(FaultStatus error)
    {
        FaultStatus before = Status;
        Status = new(new(before.Raw.Value | error.Raw.Value));
        if (!IsAnyPending(before))
            _event.Raise();
    }

    /// <summary>Software cleared records: the pending bit follows them.</summary>
    public void RecordsWritten()
    {
        bool any = false;
        for (int index = 0; index < _records && !any; index++)
            any = new Bits64(_registers[HighOffset(index)]).Bit(63);
        Status = Status with { PrimaryPendingFault = any };
        StatusWritten();
    }

    /// <summary>Software cleared status bits: when none is left, an event that was held back is no more.</summary>
    public void StatusWritten()
    {
        if (!IsAnyPending(Status))
            _event.Withdraw();
    }

    private static bool IsAnyPending(FaultStatus status) =>
        status.PrimaryFaultOverflow || status.PrimaryPendingFault || status.InvalidationQueueError
        || status.InvalidationCompletionError || status.InvalidationTimeout;

    private FaultDisposition Record(in RemappingFault fault)
    {
        FaultStatus status = Status;

        // 1. After an overflow nothing is recorded until software clears it.
        if (status.PrimaryFaultOverflow)
            return FaultDisposition.Lost;

        // 2. A unit may keep one fault for each requester.
        if (_profile.CollapsesFaults && HoldsFaultOf(fault.Source))
            return FaultDisposition.Collapsed;

        // 3. The next record still holds a fault: overflow.
        if (new Bits64(_registers[HighOffset(_next)]).Bit(63))
        {
            Status = status with { PrimaryFaultOverflow = true };
            return FaultDisposition.Lost;
        }

        // 4. Fill the record; all of it is there before F is.
        Bits128 raw = Format(fault).Raw;
        int index = _next;
        _registers[LowOffset(index)] = raw.Word0;
        _registers[HighOffset(index)] = raw.Word1;
        _next = (index + 1) % _records;

        // 5. The first one sets the pending bit and is what the event points to.
        if (!status.PrimaryPendingFault)
            Status = status with { PrimaryPendingFault = true, FaultRecordIndex = index };
        if (!IsAnyPending(status))
            _event.Raise();
        return FaultDisposition.Recorded;
    }

    // What a unit has no capability for is reserved in its records, and zero. A request without PASID has neither
    // privilege nor the wish to execute, whatever the tables gave it.
    private FaultRecord Format(in RemappingFault fault)
    {
        DmaAttributes attributes = fault.Attributes;
        bool pasid = _profile.ExtendedCapabilities.ProcessAddressSpaces && attributes.Pasid is not null;
        return new()
        {
            Address = new(fault.InterruptIndex is { } index ? (ulong)index << 48 : fault.Address.Value & ~0xFFFul),
            Source = fault.Source,
            Type2 = attributes.Atomic || fault.IsPageRequest,
            Privileged = pasid && attributes.Privileged,
            Execute = pasid && attributes.Execute,
            PasidPresent = pasid,
            Reason = fault.Reason,
            Pasid = pasid ? attributes.Pasid!.Value : default,
            AddressType = _profile.ExtendedCapabilities.DeviceTlb ? attributes.AddressType : AddressType.Untranslated,
            Type1 = (!fault.Write || attributes.Atomic) && !fault.IsPageRequest,
            Fault = true,
        };
    }

    private bool HoldsFaultOf(SourceId source)
    {
        for (int index = 0; index < _records; index++)
        {
            FaultRecord record = new(new(_registers[LowOffset(index)], _registers[HighOffset(index)]));
            if (record.Fault && record.Source == source)
                return true;
        }

        return false;
    }

    private int LowOffset(int index) => RegisterOffsets.FaultRecord(_profile.Capabilities, index);

    private int HighOffset(int index) => LowOffset(index) + 8;
}
