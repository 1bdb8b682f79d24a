using Dma.Hal;
using Dma.Iommu;
using Dma.Iommu.Spec;
using Dma.Machine;

namespace Dma.Properties;

/// <summary>The driver of interrupt remapping on bare metal: MSI, MSI-X and an I/O APIC through the unit, on every kind of it.</summary>
public sealed class InterruptRemappingTests
{
    private const byte FaultVector = 0x30;
    private const byte ApicId = 3;
    private const int FirstVector = 16;
    private static readonly SourceId _apic = new(0xF0, 0x1F, 0);

    public static TheoryData<string> Profiles =>
        [.. ProfileChoice.Names.Where(name => HardwareProfile.Named(name).ExtendedCapabilities is { InterruptRemapping: true, QueuedInvalidation: true })];

    [Theory]
    [MemberData(nameof(Profiles))]
    public void Each_vector_of_a_device_raises_what_it_was_given_and_nobody_else_can(string profile)
    {
        using BareMetal machine = new(HardwareProfile.Named(profile));
        machine.Loop.Run(async () =>
        {
            RemappingDriver driver = await Start(machine, 256);
            RemappedMessages messages = (await driver.Interrupts!.TryAllocate(new(0, 3, 0), Targets(0x41, 5)))!;
            Assert.Equal(256 - 8, driver.Interrupts.EntriesFree);
            for (int vector = 0; vector < 5; vector++)
            {
                MessageInterrupt alone = messages.MessageOf(vector);
                MessageInterrupt together = messages.Message with { Data = (uint)vector };
                foreach (MessageInterrupt message in (MessageInterrupt[])[alone, together])
                {
                    Assert.Equal(DmaStatus.Success, Send(machine, new(0, 3, 0), message));
                    Assert.True(Took(machine, 0x41 + vector));
                    Assert.Equal(DmaStatus.Blocked, Send(machine, new(0, 4, 0), message));
                    Assert.False(Took(machine, 0x41 + vector));
                }
            }

            Assert.Equal(DmaStatus.Blocked, Send(machine, new(0, 3, 0), messages.Message with { Data = 5 }));
            Assert.Equal(DmaStatus.Blocked, Send(machine, new(0, 3, 0), MessageInterrupt.To(ApicId, 0x41)));
            Assert.Equal(0ul, machine.Interrupts.Unclaimed);
        });
    }

    [Theory]
    [MemberData(nameof(Profiles))]
    public void A_vector_is_redirected_and_given_back_without_anything_of_it_staying_behind(string profile)
    {
        using BareMetal machine = new(HardwareProfile.Named(profile));
        machine.Loop.Run(async () =>
        {
            RemappingDriver driver = await Start(machine, 256);
            RemappedMessages messages = (await driver.Interrupts!.TryAllocate(new(0, 3, 0), Targets(0x41, 2)))!;
            MessageInterrupt second = messages.MessageOf(1);
            Assert.Equal(DmaStatus.Success, Send(machine, new(0, 3, 0), second));
            Assert.True(Took(machine, 0x42));
            await messages.Redirect(1, MessageInterrupt.To(ApicId, 0x55));
            Assert.Equal(DmaStatus.Success, Send(machine, new(0, 3, 0), second));
            Assert.Equal((false, true), (Took(machine, 0x42), Took(machine, 0x55)));
            await messages.Free();
            Assert.Equal(DmaStatus.Blocked, Send(machine, new(0, 3, 0), second));
            Assert.Equal(256, driver.Interrupts.EntriesFree);
            await Assert.ThrowsAsync<ObjectDisposedException>(() => messages.Free().AsTask());

            // The same entries for somebody else are for somebody else alone.
            RemappedMessages other = (await driver.Interrupts.TryAllocate(new(0, 4, 0), Targets(0x61, 2)))!;
            Assert.Equal(second, other.MessageOf(1));
            Assert.Equal(DmaStatus.Blocked, Send(machine, new(0, 3, 0), second));
            Assert.Equal(DmaStatus.Success, Send(machine, new(0, 4, 0), second));
            Assert.True(Took(machine, 0x62));
        });
    }

    [Fact]
    public void When_no_entries_are_left_nothing_changes_and_the_end_gives_all_frames_back()
    {
        using BareMetal machine = new(HardwareProfile.Named("friendly"));
        machine.Loop.Run(async () =>
        {
            ulong frames = machine.Frames.FramesFree;
            RemappingDriver driver = await Start(machine, 4);
            Assert.NotNull(await driver.Interrupts!.TryAllocate(new(0, 3, 0), Targets(0x41, 3)));
            Assert.Null(await driver.Interrupts.TryAllocate(new(0, 3, 0), Targets(0x41, 1)));
            Assert.Equal(0, driver.Interrupts.EntriesFree);
            await driver.Shutdown();
            Assert.Equal(frames, machine.Frames.FramesFree);
            Assert.Equal(DmaStatus.Success, Send(machine, new(0, 3, 0), MessageInterrupt.To(ApicId, 0x41)));
        });
    }

    [Fact]
    public void Without_frames_for_the_table_the_unit_is_not_touched()
    {
        using BareMetal machine = new(HardwareProfile.Named("friendly"));
        FrameAllocator few = new(new(16 << 20), 8 * FrameAllocator.FrameSize);
        Assert.Throws<DeviceException>(() => machine.Loop.Run(() =>
            RemappingDriver.Start(machine.Cpu, new(BareMetal.UnitAddress), few, new(FaultVector) { InterruptEntries = 65_536 }).AsTask()));
        Assert.Equal(8ul, few.FramesFree);
        Assert.Equal(0ul, machine.Bus.Load(new(BareMetal.UnitAddress + RegisterOffsets.GlobalStatus), 4));
        foreach (int entries in (int[])[1, 3, 131_072, -2])
        {
            Assert.Throws<ArgumentException>(() => machine.Loop.Run(() =>
                RemappingDriver.Start(machine.Cpu, new(BareMetal.UnitAddress), few, new(FaultVector) { InterruptEntries = entries }).AsTask()));
        }
    }

    [Fact]
    public void A_driver_takes_a_unit_over_that_lets_compatible_interrupts_pass()
    {
        using BareMetal machine = new(HardwareProfile.Named("hostile"));
        Assert.NotNull(machine.Unit);
        machine.Unit.Write(RegisterOffsets.GlobalCommand, 4, new GlobalCommand { InterruptRemappingEnable = true, CompatibilityFormatInterrupt = true }.Raw.Value);
        machine.Loop.Run(async () =>
        {
            _ = await Start(machine, 256);
            Assert.Equal(DmaStatus.Blocked, Send(machine, new(0, 3, 0), MessageInterrupt.To(ApicId, 0x41)));
        });
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_device_of_the_PCI_hierarchy_raises_its_vector_by_msi_or_msix(bool isMsix)
    {
        using BareMetal machine = new(HardwareProfile.Named("friendly"));
        ProbeFunction function = isMsix
            ? new ProbeFunction().WithBar(0, 0x2000).With(new MsixCapability(4, 0, 0x1000, 0x1800))
            : new ProbeFunction().With(new MsiCapability(4));
        machine.Pci.MapEcam(new(0xB000_0000), 0, 0);
        machine.Pci.Add(function, 3);
        PciMappedConfiguration configuration = new(machine.Cpu, new(0xB000_0000), 0, 0);
        _ = PciResources.Assign(configuration, new(0xE000_0000), 16 << 20);
        machine.Loop.Run(async () =>
        {
            RemappingDriver driver = await Start(machine, 256);
            RemappedMessages messages = (await driver.Interrupts!.TryAllocate(function.Source, Targets(0x41, 1)))!;
            IdentityDmaSpace dma = new(machine.Cpu, machine.Frames);
            PciDevice device = PciDevice.Open(machine.Cpu, configuration, function.Source, dma, 0x41, messages.Message);
            function.Raise(0);
            Assert.True(await device.Interrupt.Wait(0));

            // A capability that was turned on for the vector itself is blocked.
            _ = PciDevice.Open(machine.Cpu, configuration, function.Source, dma, 0x41);
            function.Raise(0);
            Assert.False(await device.Interrupt.Wait(1_000_000));
            FaultReport fault = Assert.Single(driver.DrainFaults());
            Assert.Equal((function.Source, FaultReason.CompatibilityInterruptBlocked, (int?)0), (fault.Source, fault.Reason, fault.InterruptIndex));
        });
    }

    [Fact]
    public void An_io_apic_raises_what_its_entry_says_with_a_source_id_of_its_own()
    {
        using BareMetal machine = new(HardwareProfile.Named("friendly"));
        Assert.NotNull(machine.Unit);
        IoApic controller = new(machine.Unit, _apic);
        machine.Loop.Run(async () =>
        {
            RemappingDriver driver = await Start(machine, 65_536);
            RemappedMessages filler = (await driver.Interrupts!.TryAllocate(new(0, 3, 0), Targets(0x20, 1)))!;
            RemappedMessages messages = (await driver.Interrupts.TryAllocate(_apic, [new(MessageInterrupt.To(ApicId, 0x51).Address, 0x8051)]))!;
            ulong handle = (ulong)new InterruptRequestAddress(new(messages.MessageOf(0).Address)).Handle;
            Program(17, (handle & 0x7FFF) << 49 | 1ul << 48 | handle >> 15 << 11 | 0x8051);
            controller.SetLevel(17, true);
            Assert.True(Took(machine, 0x51));

            // Level-triggered: nothing more until its end, and then again.
            Assert.False(Took(machine, 0x51));
            controller.Write(0x40, 4, 0x51);
            Assert.True(Took(machine, 0x51));

            // The entry of somebody else, and an entry of the table in compatibility format, are blocked.
            ulong others = (ulong)new InterruptRequestAddress(new(filler.MessageOf(0).Address)).Handle;
            Program(18, others << 49 | 1ul << 48 | 0x20);
            controller.SetLevel(18, true);
            Program(19, (ulong)ApicId << 56 | 0x20);
            controller.SetLevel(19, true);
            Assert.False(Took(machine, 0x20));
            Assert.Equal(
                [(_apic, FaultReason.InterruptSourceInvalid), (_apic, FaultReason.CompatibilityInterruptBlocked)],
                driver.DrainFaults().Select(fault => (fault.Source, fault.Reason)));
        });

        void Program(int pin, ulong entry)
        {
            foreach (int half in (int[])[1, 0])
            {
                controller.Write(0, 4, (ulong)(0x10 + (2 * pin) + half));
                controller.Write(0x10, 4, (uint)(entry >> (32 * half)));
            }
        }
    }

    private static ValueTask<RemappingDriver> Start(BareMetal machine, int entries)
    {
        // A message that comes before anyone is connected is lost.
        for (int vector = FirstVector; vector <= byte.MaxValue; vector++)
            _ = machine.Cpu.Vector((byte)vector);
        RemappingOptions options = new(FaultVector) { InterruptEntries = entries, HostAddressWidth = machine.Unit!.Profile.HostAddressWidth };
        return RemappingDriver.Start(machine.Cpu, new(BareMetal.UnitAddress), machine.Frames, options);
    }

    private static MessageInterrupt[] Targets(byte first, int count) =>
        [.. Enumerable.Range(first, count).Select(vector => MessageInterrupt.To(ApicId, (byte)vector))];

    private static bool Took(BareMetal machine, int vector)
    {
        Signal signal = machine.Cpu.Vector((byte)vector);
        bool pending = signal.IsPending;
        signal.Clear();
        return pending;
    }

    private static DmaStatus Send(BareMetal machine, SourceId source, MessageInterrupt message) =>
        machine.Unit!.Open(source).Write(new(message.Address), BitConverter.GetBytes(message.Data));
}
