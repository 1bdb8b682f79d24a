using Dma.Machine;
using Dma.UsbDevice.Spec;

namespace Dma.Vmm;

/// <summary>The registers of an xHCI controller as an image has them: those that hold something for a VM, with the rules of the controller.</summary>
internal static class XhciImageRegisters
{
    /// <summary>The name of the legacy support register, where there is one.</summary>
    public const string LegacySupport = "USBLEGSUP";

    private const int Doubleword = sizeof(uint);
    private const uint DefaultModeration = 4000;

    // USBLEGCTLSTS: enables in bits 0, 4 and 15:13; status that written ones clear in bits 31:29.
    private const uint LegacyEnables = 0xE011;
    private const uint LegacyChanges = 0xE000_0000;

    /// <summary>The table.</summary>
    /// <param name="hardware">The controller.</param>
    /// <param name="ports">The root ports of the VM, a bit for each; the others ignore what is written.</param>
    public static RegisterFile Create(GatedXhci hardware, uint ports)
    {
        List<Register> registers = [.. Fixed(hardware), .. Operational(hardware)];
        for (int index = 0; index < hardware.PortCount; index++)
        {
            uint writable = (ports >> index & 1) != 0 ? uint.MaxValue : 0;
            for (int register = 0; register < XhciOperationalOffsets.PortStride; register += Doubleword)
                registers.Add(new(hardware.OperationalBase + XhciOperationalOffsets.FirstPort + (index * XhciOperationalOffsets.PortStride) + register, Doubleword, $"PORT{index + 1}", new(0, writable)));
        }

        registers.Add(new(hardware.RuntimeBase + XhciRuntimeOffsets.MicroframeIndex, Doubleword, "MFINDEX", new(0)));
        ulong busy = new EventRingDequeue { Busy = true }.Raw.Value;
        for (int index = 0; index < hardware.Structure.InterrupterCount; index++)
        {
            int at = hardware.InterrupterAt(index);
            registers.Add(new(at + XhciRuntimeOffsets.Management, Doubleword, $"IMAN{index}", new(0, Writable: 2, ClearOnOne: 1)));
            registers.Add(new(at + XhciRuntimeOffsets.Moderation, Doubleword, $"IMOD{index}", new(DefaultModeration, Writable: uint.MaxValue)));
            registers.Add(new(at + XhciRuntimeOffsets.TableSize, Doubleword, $"ERSTSZ{index}", new(0, Writable: Bits32.Mask(15, 0))));
            registers.Add(new(at + XhciRuntimeOffsets.TableBase, 2 * Doubleword, $"ERSTBA{index}", new(0, Writable: Bits64.Mask(63, 6))));
            registers.Add(new(at + XhciRuntimeOffsets.Dequeue, 2 * Doubleword, $"ERDP{index}", new(0, Writable: ~busy, ClearOnOne: busy)));
        }

        return new(hardware.WindowLength, registers);
    }

    // What no write changes: the capability registers, and the extended capabilities but for legacy support, of which the VMM has taken over what was firmware's.
    private static IEnumerable<Register> Fixed(GatedXhci hardware)
    {
        for (int offset = 0; offset + Doubleword <= hardware.OperationalBase; offset += Doubleword)
            yield return new(offset, Doubleword, $"CAP{offset:X2}", new(hardware[offset]));
        int at = hardware.Capabilities.ExtendedCapabilities * Doubleword;
        while (at != 0 && at + (4 * Doubleword) <= hardware.WindowLength)
        {
            XhciExtendedCapability capability = new(new(hardware[at]));
            bool isLegacy = capability.Id == XhciExtendedId.LegacySupport;
            XhciLegacySupport owner = new() { SystemOwned = true };
            if (isLegacy)
            {
                yield return new(at, Doubleword, LegacySupport, new(hardware[at] & 0xFFFF, owner.Raw.Value));
                yield return new(at + Doubleword, Doubleword, "USBLEGCTLSTS", new(0, LegacyEnables, LegacyChanges));
            }

            for (int offset = 0; !isLegacy && offset < 4 * Doubleword; offset += Doubleword)
                yield return new(at + offset, Doubleword, $"XCAP{at + offset:X}", new(hardware[at + offset]));
            at = capability.Next == 0 ? 0 : at + (capability.Next * Doubleword);
        }
    }

    private static IEnumerable<Register> Operational(GatedXhci hardware)
    {
        int at = hardware.OperationalBase;
        XhciCommand state = new() { SaveState = true, RestoreState = true };
        XhciCommand command = state with
        {
            Run = true,
            Reset = true,
            InterruptEnable = true,
            SystemErrorEnable = true,
            LightReset = hardware.Capabilities.LightReset,
            WrapEventEnable = true,
            StopInU3 = true,
        };
        XhciStatus changes = new() { HostSystemError = true, EventInterrupt = true, PortChange = true, SaveRestoreError = true };
        ulong ring = Bits64.Mask(63, 6) | 0b111;
        yield return new(at + XhciOperationalOffsets.Command, Doubleword, "USBCMD", new(0, command.Raw.Value, Unreadable: state.Raw.Value));
        yield return new(at + XhciOperationalOffsets.Status, Doubleword, "USBSTS", new(new XhciStatus { Halted = true }.Raw.Value, ClearOnOne: changes.Raw.Value));
        yield return new(at + XhciOperationalOffsets.PageSize, Doubleword, "PAGESIZE", new(hardware[at + XhciOperationalOffsets.PageSize]));
        yield return new(at + XhciOperationalOffsets.NotificationControl, Doubleword, "DNCTRL", new(0, Bits32.Mask(15, 0)));
        yield return new(at + XhciOperationalOffsets.CommandRing, 2 * Doubleword, "CRCR", new(0, ring, Unreadable: ring));
        yield return new(at + XhciOperationalOffsets.ContextArray, 2 * Doubleword, "DCBAAP", new(0, Bits64.Mask(63, 6)));
        yield return new(at + XhciOperationalOffsets.Configure, Doubleword, "CONFIG", new(0, new XhciConfigure { SlotsEnabled = 0xFF, U3EntryEnable = true }.Raw.Value));
    }
}
