using System.Runtime.InteropServices;
using Dma.Hal;
using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>The memory of a VM as the VMM reads its schedules, and as the controller reaches its buffers: through a window of device addresses of its own.</summary>
/// <remarks>
/// <code>
/// 63     48 47        40 39                            0
/// |   0    |  VM + 1    |  guest-physical address       |
/// </code>
/// The window leads to memory of the VM alone, whose pages are pinned as long as it is open; where the VM has no memory, nothing is mapped.
/// </remarks>
internal sealed class GuestSpace
{
    /// <summary>Bits of a guest-physical address in a window.</summary>
    public const int AddressBits = 40;

    private const ulong PageBytes = 4096;

    private readonly VirtualMachine _machine;
    private readonly Host _host;
    private readonly RemappingDomain _domain;
    private readonly ulong _window;
    private readonly List<(Iova Start, ulong Length)> _mapped = [];
    private readonly List<PhysicalAddress> _pinned = [];
    private readonly MergeStatistics _statistics;

    /// <summary>A window through which nothing is reached yet.</summary>
    /// <param name="machine">The VM.</param>
    /// <param name="domain">What the controller reaches.</param>
    /// <param name="window">The device address of the first byte.</param>
    /// <param name="statistics">Where copies are counted.</param>
    public GuestSpace(VirtualMachine machine, RemappingDomain domain, ulong window, MergeStatistics statistics) =>
        (_machine, _host, _domain, _statistics, _window) = (machine, machine.Host, domain, statistics, window);

    /// <summary>Where a window lies in a domain that several VMs share.</summary>
    /// <param name="number">Which window, from 0 on.</param>
    public static ulong WindowOf(int number) => (ulong)(number + 1) << AddressBits;

    /// <summary>Bits 63:32 of the device address of the first byte.</summary>
    public uint High => (uint)(_window >> 32);

    /// <summary>Pins all memory of the VM and maps it.</summary>
    /// <returns><c>false</c> where the quota of pinned pages, or frames for tables, do not do; what was done is undone by <see cref="Close"/>.</returns>
    public async ValueTask<bool> TryOpen()
    {
        ulong pages = _machine.Memory.Bytes / PageBytes;
        if (pages > _machine.PinnedPagesMax || _machine.PinnedPages > _machine.PinnedPagesMax - pages || _machine.Memory.Bytes >> (AddressBits - 1) != 0)
            return false;
        foreach ((ulong start, ulong length) in MemoryLayout.Memory(_machine.Memory.Bytes))
        {
            for (ulong at = start, step; at < start + length; at += step)
            {
                MemoryRun run = Pin(at, start + length);
                step = run.Length;
                Iova place = new(_window + at);
                DmaRefusal refusal = await _domain.Map(place, run.Start, run.Length, DmaDirection.Bidirectional);
                if (refusal == DmaRefusal.None)
                    _mapped.Add((place, run.Length));
                else if (refusal != DmaRefusal.StillMapped)
                    return false;
            }
        }

        return true;
    }

    /// <summary>Takes the memory away from the controller and unpins it.</summary>
    public async ValueTask Close()
    {
        foreach ((Iova start, ulong length) in _mapped)
            _ = await _domain.Unmap(start, length);
        foreach (PhysicalAddress page in _pinned)
            _host.Frames.Unpin(page);
        _machine.PinnedPages -= (ulong)_pinned.Count;
        _mapped.Clear();
        _pinned.Clear();
    }

    /// <summary>Whether a page is memory of the VM.</summary>
    public bool HasPage(ulong address) => _machine.Memory.Contains(new(address & ~(PageBytes - 1)), PageBytes);

    /// <summary>Reads the front of a structure; the rest of it is zero.</summary>
    /// <returns><c>false</c> where it does not lie in memory of the VM.</returns>
    public bool TryRead<T>(ulong address, int size, out T structure)
        where T : unmanaged
    {
        structure = default;
        Span<byte> whole = MemoryMarshal.AsBytes(new Span<T>(ref structure));
        return TryRead(address, whole[..size]);
    }

    /// <summary>Reads bytes that do not cross the end of a page.</summary>
    /// <returns><c>false</c> where they are no memory of the VM.</returns>
    public bool TryRead(ulong address, Span<byte> bytes)
    {
        Charge(bytes.Length);
        return TryFind(address, bytes.Length, out PhysicalAddress at) && _host.Memory.TryRead(at, bytes);
    }

    /// <summary>Reads a link for somebody who watches: nothing is charged.</summary>
    /// <returns><c>false</c> where it is no memory of the VM.</returns>
    public bool TryPeek(ulong address, out LinkPointer link)
    {
        link = default;
        return TryFind(address, sizeof(uint), out PhysicalAddress at) && _host.Memory.TryRead(at, out link);
    }

    /// <summary>Writes bytes that do not cross the end of a page, past all protection.</summary>
    public void Write<T>(ulong address, in T value)
        where T : unmanaged => Write(address, MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)));

    /// <inheritdoc cref="Write{T}(ulong, in T)"/>
    public void Write(ulong address, ReadOnlySpan<byte> bytes)
    {
        Charge(bytes.Length);
        if (!TryFind(address, bytes.Length, out PhysicalAddress at))
            return;
        _ = _host.Memory.TryWrite(at, bytes);
        _machine.Memory.DirtyLog?.Mark(new(address));
    }

    private void Charge(int bytes)
    {
        _statistics.StructureBytes += (ulong)bytes;
        _host.Cpu.Processor.Charge(Cost.Copy);
        _host.Cpu.Processor.Charge(Cost.CopiedByte, (ulong)bytes);
    }

    private bool TryFind(ulong address, int length, out PhysicalAddress at)
    {
        at = default;
        if (!_machine.IsRunning || (address & (PageBytes - 1)) + (ulong)length > PageBytes || !_machine.Memory.Contains(new(address), (ulong)length))
            return false;
        EptWalkResult found = _machine.Memory.Tables.Walk(new(address), EptRights.Read);
        at = found.Address;
        return found.Outcome == EptOutcome.Mapped;
    }

    // Neighbours together, as long as they are neighbours on the host.
    private MemoryRun Pin(ulong start, ulong end)
    {
        GuestPhysicalAddress first = default;
        ulong length = 0;
        for (ulong at = start; at < end; at += PageBytes, length += PageBytes)
        {
            _ = _machine.Memory.TryReach(new(at));
            EptWalkResult found = _machine.Memory.Tables.Walk(new(at), EptRights.Read);
            if (found.Outcome != EptOutcome.Mapped)
                throw new InvalidOperationException($"Page {at:X}h is memory of {_machine.Name}, and EPT does not map it.");
            if (length == 0)
                first = new(found.Address.Value);
            else if (found.Address.Value != first.Value + length)
                break;
            _host.Frames.Pin(found.Address);
            _pinned.Add(found.Address);
            _machine.PinnedPages++;
        }

        return new(first, length);
    }
}
