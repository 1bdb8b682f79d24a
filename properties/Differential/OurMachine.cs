using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>Our remapping unit, and devices that are nothing but ports.</summary>
internal class OurMachine : IDifferentialMachine, IInterruptSink, IRemappingObserver, IDeviceTlb, IDisposable
{
    private readonly RemappingUnit _unit;

    public OurMachine(HardwareProfile profile)
    {
        Profile = profile;
        _unit = new(Memory, this, profile) { Observer = this };
        foreach (SourceId source in Ground.Devices)
            _unit.Connect(source, this);
    }

    public HardwareProfile Profile { get; }

    public PhysicalMemory Memory { get; } = new(Ground.MemoryBytes);

    /// <summary>What was refused since somebody last cleared the list.</summary>
    public List<(RemappingFault Fault, FaultDisposition Disposition)> Faults { get; } = [];

    /// <summary>What became of each page of each access since somebody last cleared the list.</summary>
    public List<PageAccess> Answers { get; } = [];

    public void Dispose()
    {
        Memory.Dispose();
        GC.SuppressFinalize(this);
    }

    public void Deliver(MessageInterrupt message)
    {
        // Interrupts that reach a halted processor are not seen on the other side.
    }

    /// <summary>A device of QEMU that has no TLB invalidates it at once.</summary>
    public DeviceTlbAnswer Invalidate(in DeviceTlbInvalidation request) => DeviceTlbAnswer.Completed;

    public void Respond(in PageGroupResponse response)
    {
        // Nobody asked for a page.
    }

    public void FaultDetected(in RemappingFault fault, FaultDisposition disposition) => Faults.Add((fault, disposition));

    public void Reset()
    {
        _unit.Reset();
        Ground.Restore(Memory);
    }

    public void Put(ulong address, ulong value) => Assert.True(Memory.TryWrite(new PhysicalAddress(address), value));

    public virtual ulong[] ReadRegisters(params (int Offset, int Width)[] registers) =>
        [.. registers.Select(register => _unit.Read((ulong)register.Offset, register.Width))];

    public virtual void WriteRegister(int offset, int width, ulong value) => _unit.Write((ulong)offset, width, value);

    // A bus splits transfers at pages: what one page refuses says nothing about the next.
    public void Read(int device, ulong address, Span<byte> destination)
    {
        for (int done = 0; done < destination.Length;)
        {
            Iova at = new(address + (ulong)done);
            int step = Math.Min(destination.Length - done, 4096 - at.PageOffset);
            Span<byte> piece = destination.Slice(done, step);
            Ask(device, at, write: false);
            if (Port(device).Read(at, piece) != DmaStatus.Success)
                piece.Clear();
            done += step;
        }
    }

    public virtual void Write(int device, ulong address, int patternOffset, int length)
    {
        for (int done = 0; done < length;)
        {
            Iova at = new(address + (ulong)done);
            int step = Math.Min(length - done, 4096 - at.PageOffset);
            Ask(device, at, write: true);
            _ = Port(device).Write(at, WritePattern.Bytes.AsSpan(patternOffset + done, step));
            done += step;
        }
    }

    // Where a page's worth lands. A fault is met twice then, which leaves the unit as once does: it keeps one of a requester.
    protected void Ask(int device, Iova address, bool write)
    {
        if (InterruptRange.Contains(address.Value))
            return;
        int before = Faults.Count;
        bool lands = Port(device).TryTranslate(address, write, out PhysicalAddress target);
        PageAnswer answer = lands
            ? new(FaultReason.None, target.Value)
            : new(Faults[before].Fault.Reason, 0, Faults[before].Disposition == FaultDisposition.Suppressed);
        Answers.Add(new(device, address.Value, write, answer));
    }

    protected RemappedPort Port(int device) => _unit.Open(Ground.Devices[device]);
}

/// <summary>What became of one page of an access.</summary>
/// <param name="Fault">Why it was refused; none where it passed.</param>
/// <param name="Target">Where it landed.</param>
/// <param name="Suppressed">Whether the fault is one that is not recorded.</param>
internal readonly record struct PageAnswer(FaultReason Fault, ulong Target, bool Suppressed = false)
{
    public override string ToString() =>
        Fault != FaultReason.None ? $"fault {(int)Fault:x}h{(Suppressed ? ", suppressed" : "")}" : $"0x{Target:x}";
}

/// <summary>One page of an access.</summary>
/// <param name="Device">Which of <see cref="Ground.Devices"/>.</param>
/// <param name="Address">The first address of it on the bus.</param>
/// <param name="Write">Whether it is a write.</param>
/// <param name="Answer">What became of it.</param>
internal readonly record struct PageAccess(int Device, ulong Address, bool Write, PageAnswer Answer);
