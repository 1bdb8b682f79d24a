using System.Buffers;
using System.Runtime.InteropServices;
using Dma.Hal;
using Dma.Machine;
using Microsoft.Win32.SafeHandles;

namespace Dma.Lab;

/// <summary>One client of the function: carries its commands out, and leaves nothing of it behind.</summary>
/// <remarks>
/// It knows nothing of sockets. The client gets a domain of the remapping unit with nothing in it, and the function as
/// after a reset; when it leaves, the function is reset and the domain goes, with all that was mapped in it.
/// </remarks>
internal sealed class VfioUserSession : IDisposable
{
    private const ushort Major = 0;
    private const ushort Minor = 1;

    private readonly VfioUserMachine _machine;
    private readonly ClientInterrupts _interrupts;
    private readonly RemappingDomain _domain;
    private readonly RegionView _regions;

    /// <summary>A client that has just come.</summary>
    /// <param name="machine">The machine with the function.</param>
    /// <param name="interrupts">The function's interrupts, with nothing assigned.</param>
    /// <param name="messages">The way to the client's memory where it does not share it.</param>
    public VfioUserSession(VfioUserMachine machine, ClientInterrupts interrupts, IDmaMessages messages)
    {
        _machine = machine;
        _interrupts = interrupts;
        _regions = new(machine.Function);
        _domain = machine.Remapping.CreateDomain();
        Memory = new(machine, _domain, messages);
        DmaRefusal refused = machine.Do(() => machine.Remapping.Attach(VfioUserMachine.Place, _domain));
        if (refused != DmaRefusal.None)
            throw new DeviceException($"The function cannot be attached to a domain: {refused}.");
    }

    /// <summary>What the client has mapped.</summary>
    public ClientMemory Memory { get; }

    /// <summary>What was agreed on at the beginning; null before that.</summary>
    public VersionCapabilities? Capabilities { get; private set; }

    /// <summary>Whether the client has used a register of the function.</summary>
    public bool HasUsedRegisters { get; private set; }

    /// <summary>Carries a command out.</summary>
    /// <param name="command">Which.</param>
    /// <param name="payload">What followed the header.</param>
    /// <param name="descriptors">What came along; those that are kept are taken out.</param>
    /// <param name="reply">Takes what follows the header of the reply; without meaning where there is an error.</param>
    /// <returns>Why it was not carried out, and nothing changed.</returns>
    public ErrorNumber Execute(VfioUserCommand command, ReadOnlySpan<byte> payload, List<SafeFileHandle> descriptors, IBufferWriter<byte> reply)
    {
        // The version comes first, and once.
        if ((command == VfioUserCommand.Version) != (Capabilities is null))
            return ErrorNumber.Invalid;
        if (descriptors.Count != 0 && command is not (VfioUserCommand.DmaMap or VfioUserCommand.DeviceSetIrqs))
            return ErrorNumber.Invalid;
        return command switch
        {
            VfioUserCommand.Version => Negotiate(payload, reply),
            VfioUserCommand.DmaMap => Map(payload, descriptors),
            VfioUserCommand.DmaUnmap => Unmap(payload, reply),
            VfioUserCommand.DeviceGetInfo => TellDevice(payload, reply),
            VfioUserCommand.DeviceGetRegionInfo => TellRegion(payload, reply),
            VfioUserCommand.DeviceGetIrqInfo => TellInterrupts(payload, reply),
            VfioUserCommand.DeviceSetIrqs => SetInterrupts(payload, descriptors),
            VfioUserCommand.RegionRead => Read(payload, reply),
            VfioUserCommand.RegionWrite => Write(payload, reply),
            VfioUserCommand.RegionWriteMulti => WriteSeveral(payload, reply),
            VfioUserCommand.DeviceReset => Reset(payload),
            VfioUserCommand.DeviceGetRegionIoFds or VfioUserCommand.DirtyPages or VfioUserCommand.DeviceFeature
                or VfioUserCommand.MigrationDataRead or VfioUserCommand.MigrationDataWrite => ErrorNumber.NotSupported,
            VfioUserCommand.DmaRead or VfioUserCommand.DmaWrite => ErrorNumber.Invalid,
            _ => ErrorNumber.UnknownCommand,
        };
    }

    /// <summary>The client is gone: the function stops, is reset, and can reach nothing any more.</summary>
    public void Dispose()
    {
        _machine.Function.SetCommand(PciCommand.None);
        _interrupts.Clear();
        _machine.Function.Reset();
        Memory.UnmapAll();
        _machine.Do(() => _machine.Remapping.Detach(VfioUserMachine.Place));
        _machine.Do(() => _machine.Remapping.Release(_domain));
    }

    private static bool TryRead<T>(ReadOnlySpan<byte> payload, out T message)
        where T : unmanaged => MemoryMarshal.TryRead(payload, out message);

    private static ErrorNumber Answer<T>(IBufferWriter<byte> reply, T message)
        where T : unmanaged
    {
        reply.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in message)));
        return ErrorNumber.None;
    }

    private static uint SizeOf<T>()
        where T : unmanaged => (uint)Marshal.SizeOf<T>();

    private ErrorNumber Negotiate(ReadOnlySpan<byte> payload, IBufferWriter<byte> reply)
    {
        if (!TryRead(payload, out VersionMessage version) || version.Major != Major)
            return ErrorNumber.Invalid;
        if (!VersionCapabilities.TryRead(payload[(int)SizeOf<VersionMessage>()..], out VersionCapabilities? capabilities))
            return ErrorNumber.Invalid;
        Capabilities = capabilities;
        _ = Answer(reply, new VersionMessage(Major, Math.Min(version.Minor, Minor)));
        capabilities.Write(reply);
        return ErrorNumber.None;
    }

    private ErrorNumber Map(ReadOnlySpan<byte> payload, List<SafeFileHandle> descriptors)
    {
        if (!TryRead(payload, out DmaMapMessage map) || map.ArgumentSize < SizeOf<DmaMapMessage>() || descriptors.Count > 1)
            return ErrorNumber.Invalid;
        SafeFileHandle? file = descriptors.Count == 0 ? null : descriptors[0];
        descriptors.Clear();
        return Memory.Map(map, file);
    }

    private ErrorNumber Unmap(ReadOnlySpan<byte> payload, IBufferWriter<byte> reply)
    {
        if (!TryRead(payload, out DmaUnmapMessage unmap) || unmap.ArgumentSize < SizeOf<DmaUnmapMessage>())
            return ErrorNumber.Invalid;
        if (unmap.Flags is not (0 or DmaUnmapMessage.All))
            return ErrorNumber.NotSupported;
        if (unmap.Flags == DmaUnmapMessage.All)
        {
            if ((unmap.Address | unmap.Size) != 0)
                return ErrorNumber.Invalid;
            Memory.UnmapAll();
        }
        else if (Memory.Unmap(unmap.Address, unmap.Size) is not ErrorNumber.None and ErrorNumber error)
        {
            return error;
        }

        return Answer(reply, unmap);
    }

    private static ErrorNumber TellDevice(ReadOnlySpan<byte> payload, IBufferWriter<byte> reply)
    {
        uint size = SizeOf<DeviceInfo>();
        return !TryRead(payload, out DeviceInfo asked) || asked.ArgumentSize < size
            ? ErrorNumber.Invalid
            : Answer(reply, new DeviceInfo(size, DeviceInfo.CanReset | DeviceInfo.IsPci, RegionIndex.Count, (uint)Enum.GetValues<InterruptType>().Length));
    }

    private ErrorNumber TellRegion(ReadOnlySpan<byte> payload, IBufferWriter<byte> reply)
    {
        uint size = SizeOf<RegionInfo>();
        if (!TryRead(payload, out RegionInfo asked) || asked.ArgumentSize < size || asked.Index >= RegionIndex.Count)
            return ErrorNumber.Invalid;
        ulong length = _regions.Length(asked.Index);
        return Answer(reply, new RegionInfo(size, length == 0 ? 0 : RegionInfo.ReadWrite, asked.Index, 0, length, 0));
    }

    private ErrorNumber TellInterrupts(ReadOnlySpan<byte> payload, IBufferWriter<byte> reply)
    {
        uint size = SizeOf<InterruptInfo>();
        if (!TryRead(payload, out InterruptInfo asked) || asked.ArgumentSize < size || !Enum.IsDefined((InterruptType)asked.Index))
            return ErrorNumber.Invalid;
        InterruptType type = (InterruptType)asked.Index;
        return Answer(reply, new InterruptInfo(size, ClientInterrupts.FlagsOf(type), asked.Index, (uint)_interrupts.CountOf(type)));
    }

    private ErrorNumber SetInterrupts(ReadOnlySpan<byte> payload, List<SafeFileHandle> descriptors) =>
        TryRead(payload, out InterruptSet set) && set.ArgumentSize >= SizeOf<InterruptSet>()
            ? _interrupts.Set(set, payload[(int)SizeOf<InterruptSet>()..], descriptors)
            : ErrorNumber.Invalid;

    private ErrorNumber Read(ReadOnlySpan<byte> payload, IBufferWriter<byte> reply)
    {
        if (!TryRead(payload, out RegionAccess access) || access.Count > VersionCapabilities.TransferMax || !_regions.Contains(access))
            return ErrorNumber.Invalid;
        HasUsedRegisters = true;
        _regions.Configuration.ShowInterrupt(_machine.Line.IsAsserted);
        _ = Answer(reply, access);
        Span<byte> bytes = reply.GetSpan((int)access.Count)[..(int)access.Count];
        _regions.Read(access.Region, access.Offset, bytes);
        reply.Advance(bytes.Length);
        return ErrorNumber.None;
    }

    private ErrorNumber Write(ReadOnlySpan<byte> payload, IBufferWriter<byte> reply)
    {
        int head = (int)SizeOf<RegionAccess>();
        if (!TryRead(payload, out RegionAccess access) || (ulong)(payload.Length - head) != access.Count || !_regions.Contains(access))
            return ErrorNumber.Invalid;
        HasUsedRegisters = true;
        _regions.Write(access.Region, access.Offset, payload[head..]);
        return Answer(reply, access);
    }

    private ErrorNumber WriteSeveral(ReadOnlySpan<byte> payload, IBufferWriter<byte> reply)
    {
        int size = (int)SizeOf<SmallRegionWrite>();
        if (!TryRead(payload, out ulong count) || (ulong)(payload.Length - sizeof(ulong)) / (uint)size < count)
            return ErrorNumber.Invalid;
        ReadOnlySpan<SmallRegionWrite> writes = MemoryMarshal.Cast<byte, SmallRegionWrite>(payload.Slice(sizeof(ulong), (int)count * size));

        // All of them or none.
        foreach (ref readonly SmallRegionWrite write in writes)
        {
            if (write.Access.Count > sizeof(ulong) || !_regions.Contains(write.Access))
                return ErrorNumber.Invalid;
        }

        HasUsedRegisters |= count != 0;
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        foreach (ref readonly SmallRegionWrite write in writes)
        {
            _ = BitConverter.TryWriteBytes(bytes, write.Data);
            _regions.Write(write.Access.Region, write.Access.Offset, bytes[..(int)write.Access.Count]);
        }

        return Answer(reply, count);
    }

    private ErrorNumber Reset(ReadOnlySpan<byte> payload)
    {
        if (!payload.IsEmpty)
            return ErrorNumber.Invalid;
        _regions.Configuration.Reset();
        return ErrorNumber.None;
    }
}
