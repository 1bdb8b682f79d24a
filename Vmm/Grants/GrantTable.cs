using System.Buffers.Binary;
using Dma.Hal;
using Dma.Hal.Spec;
using Dma.Machine;

namespace Dma.Vmm;

/// <summary>The grant table of a VM, as the host reads it: which pages of the VM it may use (Xen, grant table version 1).</summary>
/// <remarks>
/// An entry is looked at once, when a use begins; what the guest writes into it afterwards changes nothing about pages in
/// use. While one is, the entry says so, its frame is pinned, and the guest's own software does not take it back.
/// </remarks>
/// <param name="machine">Whose.</param>
public sealed class GrantTable(VirtualMachine machine) : IGrants
{
    private const ushort Host = 0;

    private readonly Dictionary<uint, Use> _uses = [];
    private GuestPhysicalAddress _start;
    private uint _count;

    /// <summary>How many uses of pages there are now.</summary>
    public int InUse => _uses.Values.Sum(use => use.Readers + use.Writers);

    /// <inheritdoc/>
    public bool TryTake(uint grant, bool isWritten, out GrantedPage page)
    {
        page = default;
        if (!TryRead(grant, out GrantEntry entry) || entry.Type != GrantType.PermitAccess || entry.Domain != Host || (isWritten && entry.IsReadOnly))
            return false;
        bool isUsed = _uses.TryGetValue(grant, out Use use);

        // One grant in use stands for one frame: that of the first use.
        if (isUsed && use.Page != entry.Frame)
            return false;
        GuestPhysicalAddress address = new((ulong)entry.Frame << 12);
        if (!machine.Memory.Contains(address, FrameSize.Page4K.Bytes) || machine.PinnedPages >= machine.PinnedPagesMax || TryFind(address) is not { } frame)
            return false;
        use = new(entry.Frame, frame, use.Readers + (isWritten ? 0 : 1), use.Writers + (isWritten ? 1 : 0));
        _uses[grant] = use;
        machine.Host.Frames.Pin(frame);
        machine.PinnedPages++;
        Mark(grant, use);
        page = new(grant, frame, isWritten);
        return true;
    }

    /// <inheritdoc/>
    public void Return(GrantedPage page)
    {
        if (!_uses.TryGetValue(page.Grant, out Use use) || use.Frame != page.Frame || (page.IsWritable ? use.Writers : use.Readers) == 0)
            throw new InvalidOperationException($"Grant {page.Grant} is not used.");
        use = page.IsWritable ? use with { Writers = use.Writers - 1 } : use with { Readers = use.Readers - 1 };
        if (use.Readers + use.Writers == 0)
            _ = _uses.Remove(page.Grant);
        else
            _uses[page.Grant] = use;
        machine.Host.Frames.Unpin(page.Frame);
        machine.PinnedPages--;
        Mark(page.Grant, use);
    }

    /// <summary>The guest says where its table lies; the meaning and the refusals stand at <see cref="Hypercall.ShareGrants"/>.</summary>
    internal DmaRefusal Share(GuestPhysicalAddress start, ulong pages)
    {
        ulong bytes = pages * FrameSize.Page4K.Bytes;
        if (pages > GuestGrants.PagesMax || start.PageOffset != 0 || (pages == 0 ? start.Value != 0 : !machine.Memory.Contains(start, bytes)))
            return DmaRefusal.BadRange;
        if (_uses.Count != 0)
            return DmaRefusal.StillMapped;
        (_start, _count) = (start, (uint)(bytes / GrantEntry.Size));
        return DmaRefusal.None;
    }

    private bool TryRead(uint grant, out GrantEntry entry)
    {
        Span<byte> bytes = stackalloc byte[GrantEntry.Size];
        bool found = grant < _count && machine.Cpu.TryRead(AddressOf(grant), bytes);
        entry = new(new(BinaryPrimitives.ReadUInt64LittleEndian(bytes)));
        return found;
    }

    // In the entry itself, without which the guest would not know. The rest of it is as the guest wrote it last.
    private void Mark(uint grant, Use use)
    {
        if (!TryRead(grant, out GrantEntry entry))
            return;
        Span<byte> bytes = stackalloc byte[GrantEntry.Size];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, (entry with { IsRead = use.Readers + use.Writers != 0, IsWritten = use.Writers != 0 }).Raw.Value);
        _ = machine.Cpu.TryWrite(AddressOf(grant), bytes);
    }

    private GuestPhysicalAddress AddressOf(uint grant) => _start + ((ulong)grant * GrantEntry.Size);

    private PhysicalAddress? TryFind(GuestPhysicalAddress page)
    {
        if (machine.Memory.Lazy is { } lazy && !lazy.TryPageIn(page, out _))
            return null;
        EptWalkResult found = machine.Memory.Tables.Walk(page, EptRights.ReadWrite);
        return found.Outcome == EptOutcome.Mapped ? found.Address : null;
    }

    private readonly record struct Use(uint Page, PhysicalAddress Frame, int Readers, int Writers);
}
