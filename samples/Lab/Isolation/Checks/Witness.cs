using System.Buffers.Binary;
using Dma.Hal;
using Dma.Machine;
using Dma.Vmm;

namespace Dma.Lab;

/// <summary>A VM that behaves, with a device of its own: whatever others do, its rounds give what they give when it is alone.</summary>
/// <remarks>
/// A round: software writes a pattern, the device reads it, writes its inverse to another page, and raises its interrupt.
/// What comes of it depends on the number of the round alone, so the transcript of a VM that has the computer for itself
/// need not be recorded: each answer is compared with what it must be.
/// </remarks>
internal sealed class Witness
{
    private const byte Vector = 0x51;
    private const int PatternBytes = 64;
    private const ulong Source = 0x0000;
    private const ulong Target = 0x1000;
    private const ulong RoundNs = 20_000;

    private readonly IsolationWorld _world;
    private readonly WorldGuest _guest;
    private readonly WorldDevice _device;
    private readonly Signal _interrupt;
    private readonly byte[] _pattern = new byte[PatternBytes];
    private readonly byte[] _found = new byte[PatternBytes];
    private uint _round;

    /// <summary>A VM that has its device, and has mapped two pages for it.</summary>
    public Witness(IsolationWorld world, WorldGuest guest, WorldDevice device)
    {
        (_world, _guest, _device) = (world, guest, device);
        AssignmentSteps.Assign(world, device, guest);
        IConfigurationAccess space = new PciConfigurationPorts(Machine.Cpu).Open(device.GuestPlace);
        int message = PciCapabilityList.Find(space, device.GuestPlace, PciCapabilityId.Msi);
        bool is64Bit = (space.Read16(message + 2) & (1 << 7)) != 0;
        space.Write32(message + 4, (uint)MessageInterrupt.To(Machine.Cpu.ApicId, Vector).Address);
        space.Write16(message + (is64Bit ? 12 : 8), Vector);
        space.Write16(message + 2, 1);
        space.Write16(PciOffset.Command, (ushort)(PciCommand.MemorySpace | PciCommand.BusMaster));
        _interrupt = Machine.Cpu.Vector(Vector);
        GuestSteps.Map(world, guest, device, Source, PatternBytes, DmaDirection.ToDevice);
        GuestSteps.Map(world, guest, device, Target, PatternBytes, DmaDirection.FromDevice);
        world.Host.Loop.RunFor(RoundNs);
        if (device.Mappings.Count != 2)
            throw new InvalidOperationException("The witness cannot map its pages.");
    }

    private VirtualMachine Machine => _guest.Machine!;

    /// <summary>Makes a round.</summary>
    public void Round()
    {
        _round++;
        for (int at = 0; at < PatternBytes; at += sizeof(uint))
            BinaryPrimitives.WriteUInt32LittleEndian(_pattern.AsSpan(at), (_round * 0x9E37_79B1) + (uint)at);
        _world.ActAs(_guest, () => Machine.Cpu.TryWrite(new(Source), _pattern));
        ulong raised = _interrupt.Raised;
        DmaStatus read = _world.Send(_device, probe => probe.Read(null, _device.Mappings[0].Device, PatternBytes));
        Expect(read == DmaStatus.Success && _device.Probe!.Registers[..PatternBytes].SequenceEqual(_pattern), "its device does not read what its software wrote");
        for (int at = 0; at < PatternBytes; at++)
            _pattern[at] ^= 0xFF;
        DmaStatus written = _world.Send(_device, probe => probe.Write(null, _device.Mappings[1].Device, _pattern));
        Expect(written == DmaStatus.Success && Machine.Cpu.TryRead(new(Target), _found) && _found.AsSpan().SequenceEqual(_pattern), "its software does not find what its device wrote");
        _world.Send(_device, probe =>
        {
            probe.Interrupt();
            return DmaStatus.Success;
        });
        _world.Host.Loop.RunFor(RoundNs);

        // Where interrupts are not remapped any device can raise any vector, the witness's too; its own must come all the same.
        ulong arrived = _interrupt.Raised - raised;
        Expect(arrived == 1 || (arrived > 1 && !_world.AreInterruptsIsolated), $"{arrived} interrupts arrived where its device raised one");
    }

    private void Expect(bool holds, string problem)
    {
        if (!holds)
            _world.Violate("K6", $"the witness is disturbed in round {_round}: {problem}");
    }
}
