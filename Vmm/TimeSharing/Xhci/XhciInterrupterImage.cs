using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>One interrupter in the image of an xHCI controller.</summary>
/// <param name="hardware">The controller.</param>
/// <param name="file">The registers of the image.</param>
/// <param name="index">Which one, from 0 on.</param>
internal sealed class XhciInterrupterImage(GatedXhci hardware, RegisterFile file, int index)
{
    private const ulong ModerationUnitNs = 250;

    private readonly int _at = hardware.InterrupterAt(index);
    private ulong _moderatedNs;

    // As they were when the turn ended.
    private bool _wasBusy;
    private bool _wasPending;

    /// <summary>Whether its event ring begins anew with the next turn: the VM gave it one.</summary>
    public bool IsBegun { get; set; }

    /// <summary>Whether an interrupt is pending that cannot go out: IP.</summary>
    public bool IsPending => Management.Pending;

    /// <summary>The registers, as they go into the state region.</summary>
    public XhciState.Interrupter State
    {
        get => new(
            Management.Raw.Value,
            (uint)file[_at + XhciRuntimeOffsets.Moderation],
            (uint)file[_at + XhciRuntimeOffsets.TableSize],
            0,
            file[_at + XhciRuntimeOffsets.TableBase],
            Dequeue.Raw.Value);
        set
        {
            file[_at + XhciRuntimeOffsets.Management] = value.Management;
            file[_at + XhciRuntimeOffsets.Moderation] = value.Moderation;
            file[_at + XhciRuntimeOffsets.TableSize] = value.TableSize;
            file[_at + XhciRuntimeOffsets.TableBase] = value.TableBase;
            file[_at + XhciRuntimeOffsets.Dequeue] = value.Dequeue;
        }
    }

    private InterrupterManagement Management
    {
        get => new(new((uint)file[_at + XhciRuntimeOffsets.Management]));
        set => file[_at + XhciRuntimeOffsets.Management] = value.Raw.Value;
    }

    private EventRingDequeue Dequeue
    {
        get => new(new(file[_at + XhciRuntimeOffsets.Dequeue]));
        set => file[_at + XhciRuntimeOffsets.Dequeue] = value.Raw.Value;
    }

    /// <summary>The registers were taken from the controller.</summary>
    public void Captured(ulong nowNs) => (IsBegun, _wasBusy, _wasPending, _moderatedNs) = (false, Dequeue.Busy, Management.Pending, nowNs);

    /// <summary>The controller stands still. What was so already when the turn ended, the guest may have acknowledged since.</summary>
    public void Complete()
    {
        EventRingDequeue dequeue = new(new(hardware.Read((ulong)(_at + XhciRuntimeOffsets.Dequeue), sizeof(ulong))));
        InterrupterManagement management = new(new(hardware[_at + XhciRuntimeOffsets.Management]));
        if (dequeue.Busy && !_wasBusy)
            Dequeue = Dequeue with { Busy = true };
        if (management.Pending && !_wasPending)
            Management = Management with { Pending = true };
    }

    /// <summary>The guest wrote a register.</summary>
    public void Written(in RegisterWrite write, ulong nowNs)
    {
        // Writing the upper half is what begins a ring.
        if (write.Offset == _at + XhciRuntimeOffsets.TableBase)
            IsBegun |= write.EnabledBytes >> 32 != 0;
        else if (write.Offset == _at + XhciRuntimeOffsets.Moderation)
            _moderatedNs = nowNs;
    }

    /// <summary>Gives the controller, whose interrupter was reset, the event ring.</summary>
    public void Begin()
    {
        hardware[_at + XhciRuntimeOffsets.TableSize] = (uint)file[_at + XhciRuntimeOffsets.TableSize];
        hardware.WriteWide(_at + XhciRuntimeOffsets.Dequeue, (Dequeue with { Busy = false }).Raw.Value);
        if (file[_at + XhciRuntimeOffsets.TableBase] is not 0 and var table)
            hardware.WriteWide(_at + XhciRuntimeOffsets.TableBase, table);
    }

    /// <summary>Gives the controller all registers.</summary>
    public void Load(ulong nowNs)
    {
        if (IsBegun)
            Begin();
        IsBegun = false;

        // What is latched came back with the state; ones clear what the guest has acknowledged of it.
        InterrupterModeration moderation = new(new((uint)file[_at + XhciRuntimeOffsets.Moderation]));
        ulong passed = (nowNs - _moderatedNs) / ModerationUnitNs;
        int left = (int)((ulong)moderation.Counter - Math.Min((ulong)moderation.Counter, passed));
        hardware.WriteWide(_at + XhciRuntimeOffsets.Dequeue, (Dequeue with { Busy = !Dequeue.Busy }).Raw.Value);
        hardware[_at + XhciRuntimeOffsets.Moderation] = (moderation with { Counter = left }).Raw.Value;
        hardware[_at + XhciRuntimeOffsets.Management] = (Management with { Pending = !Management.Pending }).Raw.Value;
    }
}
