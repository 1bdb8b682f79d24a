using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>A remapping unit with an interrupt table, and requesters that send what they like.</summary>
internal sealed class InterruptWorld : IDisposable
{
    public const ulong Table = 0x10_0000;
    public const ulong Descriptors = 0x8_0000;
    public const ulong MemoryBytes = 4 << 20;
    public static readonly SourceId Device = RemappingWorld.Device;

    private readonly RemappingWorld _world;
    private GlobalCommand _levels;

    /// <summary>Interrupts are remapped; translation is off.</summary>
    public InterruptWorld(HardwareProfile profile, int sizeCode = 15, bool extended = false, ulong memoryBytes = MemoryBytes)
    {
        _world = new(profile, memoryBytes);
        _world.Write(RegisterOffsets.InvalidationQueueAddress, RemappingWorld.Queue);
        Switch(new() { QueuedInvalidationEnable = true });
        SetTable(sizeCode, extended);
        Switch(_levels with { InterruptRemappingEnable = true });
    }

    public InterruptWorld(string profile, int sizeCode = 15, bool extended = false)
        : this(HardwareProfile.Named(profile), sizeCode, extended)
    {
    }

    /// <summary>The unit and its memory.</summary>
    public RemappingWorld Remapping => _world;

    public PhysicalMemory Memory => _world.Memory;

    /// <summary>Messages that processors got.</summary>
    public List<MessageInterrupt> Messages => _world.Messages;

    public List<(RemappingFault Fault, FaultDisposition Disposition)> Faults => _world.Faults;

    public InterruptStatistics Statistics => _world.Unit.InterruptStatistics;

    public void Dispose() => _world.Dispose();

    /// <summary>Lets software take another table, at the same place.</summary>
    public void SetTable(int sizeCode, bool extended, ulong at = Table)
    {
        _world.Write(RegisterOffsets.InterruptTableAddress, new InterruptTableAddress { SizeCode = sizeCode, ExtendedInterruptMode = extended, Table = new(at) }.Raw.Value);
        _world.Command(_levels with { SetInterruptRemapTablePointer = true });
        Assert.True(_world.GlobalStatus.InterruptRemapTablePointerSet);
    }

    /// <summary>Changes the levels of the global command.</summary>
    public void Switch(GlobalCommand levels)
    {
        _levels = levels;
        _world.Command(levels);
    }

    public void AllowCompatible(bool allow) => Switch(_levels with { CompatibilityFormatInterrupt = allow });

    public void Put(int index, Bits128 entry) => _world.Put(new(Table + ((ulong)index * 16)), entry);

    public void PutDescriptor(int number, PostedInterruptDescriptor descriptor) =>
        Assert.True(Memory.TryWrite(new(Descriptors + ((ulong)number * 64)), descriptor.Raw));

    public PostedInterruptDescriptor Descriptor(int number)
    {
        Assert.True(Memory.TryRead(new PhysicalAddress(Descriptors + ((ulong)number * 64)), out Bits512 raw));
        return new(raw);
    }

    /// <summary>A remapped entry that anybody may use.</summary>
    public static RemappedInterrupt Entry(byte vector, byte destination = 0) =>
        new() { Common = new() { Present = true, Vector = vector }, Destination = (uint)destination << 8 };

    /// <summary>A posted entry that anybody may use.</summary>
    public static PostedInterrupt Posted(byte vector, int descriptor, bool urgent = false) => new()
    {
        Common = new() { Present = true, IsPosted = true, Vector = vector },
        Descriptor = new(Descriptors + ((ulong)descriptor * 64)),
        Urgent = urgent,
    };

    /// <summary>A request in remappable format.</summary>
    public DmaStatus Send(int handle, SourceId? source = null, int? subhandle = null, uint dataAbove = 0)
    {
        InterruptRequestAddress address = new(new(InterruptRange.First));
        address = address with { IsRemappable = true, Handle = handle, SubhandleValid = subhandle is not null };
        return SendRaw(address.Raw.Value, (uint)(subhandle ?? 0) | dataAbove, source);
    }

    /// <summary>A doubleword to any address.</summary>
    public DmaStatus SendRaw(ulong address, uint data, SourceId? source = null) =>
        _world.Unit.Open(source ?? Device).Write(new(address), BitConverter.GetBytes(data));

    public void InvalidateAll() => Invalidate(new() { Type = InvalidationDescriptorType.InterruptEntryCache });

    public void Invalidate(int index, int mask) =>
        Invalidate(new() { Type = InvalidationDescriptorType.InterruptEntryCache, IndexSelective = true, Index = index, IndexMask = mask });

    /// <summary>The one message since the last time.</summary>
    public MessageInterrupt TakeMessage()
    {
        MessageInterrupt message = Assert.Single(Messages);
        Messages.Clear();
        return message;
    }

    private void Invalidate(InterruptEntryCacheDescriptor descriptor)
    {
        _world.Submit(descriptor.Raw);
        _world.Wait();
    }
}
