using Dma.Hal;
using Dma.Machine;
using Microsoft.Win32.SafeHandles;

namespace Dma.Lab;

/// <summary>What a client has mapped for the device: mappings of a domain of the remapping unit, and memory behind them.</summary>
/// <remarks>
/// <code>
/// device --- address ---> remapping unit --- address + 4 GiB ---> memory of this machine
///                         entry? rights?                          mapped file, file, or messages to the client
/// </code>
/// A map puts the memory there first and the entries second; an unmap takes the entries away, waits until the unit has
/// forgotten them, and only then the memory. So no access ever finds the one without the other.
/// </remarks>
/// <param name="machine">The machine.</param>
/// <param name="domain">The domain that the function is attached to.</param>
/// <param name="messages">The way to the client, for memory without a descriptor.</param>
internal sealed class ClientMemory(VfioUserMachine machine, RemappingDomain domain, IDmaMessages messages)
{
    /// <summary>How many mappings a client may have at a time.</summary>
    public const int MapsMax = PhysicalMemory.ExtentsMax - 8;

    /// <summary>The size that everything is a multiple of.</summary>
    public const ulong PageBytes = 4096;

    private const uint Readable = 1;
    private const uint Writable = 2;

    private readonly SortedList<ulong, Mapping> _mappings = [];

    /// <summary>How many mappings there are.</summary>
    public int Count => _mappings.Count;

    /// <summary>How many of them are mapped files, so that an access costs no call of the system.</summary>
    public int CountShared => _mappings.Values.Count(mapping => mapping.IsShared);

    /// <summary>Bytes in all mappings.</summary>
    public ulong Bytes => _mappings.Values.Aggregate(0ul, (sum, mapping) => sum + mapping.Size);

    /// <summary>Lets the device reach memory.</summary>
    /// <param name="request">Which, and how.</param>
    /// <param name="file">The descriptor that came along, closed when this fails; null where none did.</param>
    public ErrorNumber Map(in DmaMapMessage request, SafeFileHandle? file)
    {
        ErrorNumber error = Check(request, file);
        if (error == ErrorNumber.None)
            error = Add(request, file);
        if (error != ErrorNumber.None)
            file?.Dispose();
        return error;
    }

    /// <summary>Takes one mapping back; when this returns, the device cannot use it any more.</summary>
    /// <param name="address">Its first address.</param>
    /// <param name="size">Its bytes.</param>
    public ErrorNumber Unmap(ulong address, ulong size)
    {
        if (!_mappings.TryGetValue(address, out Mapping? mapping) || mapping.Size != size)
            return ErrorNumber.NotFound;
        Remove(address, mapping);
        return ErrorNumber.None;
    }

    /// <summary>Takes all mappings back.</summary>
    public void UnmapAll()
    {
        foreach ((ulong address, Mapping mapping) in _mappings.ToArray())
            Remove(address, mapping);
    }

    private ErrorNumber Check(in DmaMapMessage request, SafeFileHandle? file)
    {
        ulong first = request.Address;
        if (request.Flags is 0 or > (Readable | Writable) || request.Size == 0 || ((first | request.Size | request.Offset) & (PageBytes - 1)) != 0)
            return ErrorNumber.Invalid;
        if (request.Size - 1 > ulong.MaxValue - first || request.Size > long.MaxValue || request.Offset > long.MaxValue - request.Size)
            return ErrorNumber.Invalid;
        ulong last = first + (request.Size - 1);
        foreach ((ulong address, Mapping mapping) in _mappings)
        {
            if (address <= last && first <= address + (mapping.Size - 1))
                return ErrorNumber.Exists;
        }

        if (_mappings.Count == MapsMax)
            return ErrorNumber.NoSpace;
        return last >> machine.Profile.HostAddressWidth != 0 || (last + VfioUserMachine.ClientStart) >> machine.Profile.HostAddressWidth != 0
            || (file is not null && !IsLongEnough(file, request.Offset + request.Size))
            ? ErrorNumber.Invalid
            : ErrorNumber.None;
    }

    private ErrorNumber Add(DmaMapMessage request, SafeFileHandle? file)
    {
        PhysicalAddress target = new(request.Address + VfioUserMachine.ClientStart);
        bool isShared = file is not null && UnixDescriptors.CannotShrink(file);
        FileMemory? files = file is not null && !isShared ? new(file, request.Offset) : null;
        try
        {
            if (isShared)
                machine.Memory.AddFile(target, request.Size, file!, request.Offset, isReadOnly: (request.Flags & Writable) == 0);
            else
                machine.Memory.AddRemote(target, request.Size, files ?? (IRemoteMemory)new MessageMemory(messages, request.Address));
        }
        catch (UnauthorizedAccessException)
        {
            return ErrorNumber.NoAccess;
        }
        catch (Exception refusal) when (refusal is IOException or ArgumentException)
        {
            return ErrorNumber.Invalid;
        }

        DmaDirection direction = ((request.Flags & Readable) != 0 ? DmaDirection.ToDevice : 0) | ((request.Flags & Writable) != 0 ? DmaDirection.FromDevice : 0);
        DmaRefusal refused = machine.Do(() => domain.Map(new(request.Address), new(target.Value), request.Size, direction));
        if (refused == DmaRefusal.None)
        {
            _mappings.Add(request.Address, new(request.Size, isShared, files));
            return ErrorNumber.None;
        }

        _ = machine.Memory.Remove(target);
        return refused == DmaRefusal.Exhausted ? ErrorNumber.NoMemory : ErrorNumber.Invalid;
    }

    private void Remove(ulong address, Mapping mapping)
    {
        DmaRefusal refused = machine.Do(() => domain.Unmap(new(address), mapping.Size));
        if (refused != DmaRefusal.None)
            throw new InvalidOperationException($"What was mapped at {address:X}h cannot be unmapped: {refused}.");
        _ = machine.Memory.Remove(new(address + VfioUserMachine.ClientStart));
        mapping.File?.Dispose();
        _ = _mappings.Remove(address);
    }

    private static bool IsLongEnough(SafeFileHandle file, ulong length)
    {
        try
        {
            return (ulong)RandomAccess.GetLength(file) >= length;
        }
        catch (Exception refusal) when (refusal is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return false;
        }
    }

    private sealed record Mapping(ulong Size, bool IsShared, FileMemory? File);
}
