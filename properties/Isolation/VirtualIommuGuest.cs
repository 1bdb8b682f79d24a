using Dma.Iommu.Spec;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Properties;

/// <summary>The memory of a guest and the registers of its remapping unit, as its software reaches them; the model learns what is written.</summary>
/// <param name="host">The host.</param>
/// <param name="machine">The guest.</param>
/// <param name="model">What learns it.</param>
/// <param name="queue">Where its queue is: a page, and the status of waits behind it.</param>
internal sealed class VirtualIommuGuest(Host host, VirtualMachine machine, VirtualIommuModel model, ulong queue)
{
    private const ulong RingBytes = 4096;

    private readonly ulong _status = queue + RingBytes;
    private readonly bool _isWide = machine.Iommu!.Options.Mode == VirtualIommuMode.Nested;
    private ulong _tail;
    private uint _waits;

    public VirtualIommuModel Model => model;

    public CapabilityRegister Capabilities => machine.Iommu!.Profile.Capabilities;

    public ExtendedCapabilityRegister ExtendedCapabilities => machine.Iommu!.Profile.ExtendedCapabilities;

    public bool UsesQueue => ExtendedCapabilities.QueuedInvalidation;

    /// <summary>Writes a word, whose old value counts until it is invalidated.</summary>
    public void Edit(ulong address, ulong value)
    {
        Write(address, BitConverter.GetBytes(value));
        model.Changed();
    }

    public void Write(ulong address, params ReadOnlySpan<ulong> words)
    {
        for (int word = 0; word < words.Length; word++)
            Write(address + (8 * (ulong)word), BitConverter.GetBytes(words[word]));
    }

    public void Write(ulong address, ReadOnlySpan<byte> bytes)
    {
        Assert.True(machine.Cpu.TryWrite(new(address), bytes));
        model.Write(address, bytes);
    }

    public void Store(int offset, int width, ulong value) => machine.Cpu.Store(VirtualIommu.Registers + (ulong)offset, width, value);

    public ulong Load(int offset, int width) => machine.Cpu.Load(VirtualIommu.Registers + (ulong)offset, width);

    /// <summary>Turns the queue on, then translation.</summary>
    public void Start(ulong root)
    {
        if (UsesQueue)
        {
            Store(RegisterOffsets.InvalidationQueueAddress, 8, new InvalidationQueueAddress { Table = new(queue), WideDescriptors = _isWide }.Raw.Value);
            Command(new() { QueuedInvalidationEnable = true });
        }

        SetRoot(root);
        Translate(on: true);
    }

    public void SetRoot(ulong root)
    {
        Store(RegisterOffsets.RootTableAddress, 8, root);
        Command(new() { SetRootTablePointer = true, TranslationEnable = model.IsTranslating, QueuedInvalidationEnable = UsesQueue });
        model.Command(root, model.IsTranslating);
    }

    public void Translate(bool on)
    {
        Command(new() { TranslationEnable = on, QueuedInvalidationEnable = UsesQueue });
        model.Command(model.Root, on);
    }

    /// <summary>Descriptors, and a wait for them.</summary>
    public void Submit(params ReadOnlySpan<Bits128> descriptors)
    {
        _waits++;
        foreach (Bits128 descriptor in descriptors)
            Put(descriptor);
        Put(new WaitDescriptor { Type = InvalidationDescriptorType.Wait, StatusWrite = true, StatusData = _waits, StatusAddress = new(_status) }.Raw);
        Store(RegisterOffsets.InvalidationQueueTail, 8, _tail);
        byte[] found = new byte[4];
        Wait(() => machine.Cpu.TryRead(new(_status), found) && BitConverter.ToUInt32(found) == _waits);
        Write(_status, found);
        model.Changed();
    }

    /// <summary>Looks at a register, as a driver does, until it says so.</summary>
    public void Wait(Func<bool> done)
    {
        for (int tries = 0; !done(); tries++)
        {
            Assert.True(tries < 10_000, "The unit does not answer.");
            host.Loop.RunFor(1000);
        }
    }

    private void Command(GlobalCommand command)
    {
        Store(RegisterOffsets.GlobalCommand, 4, command.Raw.Value);
        Wait(() =>
        {
            GlobalStatus status = new(new((uint)Load(RegisterOffsets.GlobalStatus, 4)));
            return status.TranslationEnabled == command.TranslationEnable
                && status.QueuedInvalidationEnabled == command.QueuedInvalidationEnable
                && (!command.SetRootTablePointer || status.RootTablePointerSet);
        });
    }

    private void Put(Bits128 descriptor)
    {
        Write(queue + _tail, descriptor.Word0, descriptor.Word1);
        if (_isWide)
            Write(queue + _tail + 16, 0, 0);
        _tail = (_tail + (_isWide ? 32u : 16u)) % RingBytes;
    }
}
