using Dma.UsbDevice.Spec;

namespace Dma.UsbDevice;

/// <summary>What the controller holds of one device.</summary>
internal sealed class DeviceSlot(int id)
{
    private readonly XhciEndpoint?[] _endpoints = new XhciEndpoint?[ContextIndex.Count];

    /// <summary>Its number, from 1 on.</summary>
    public int Id => id;

    /// <summary>Whether it was given out.</summary>
    public bool IsEnabled { get; private set; }

    /// <summary>Its context as software gave it, with state and address.</summary>
    public SlotContext Context { get; set; }

    /// <summary>The root port on the way to the device; null until Address Device.</summary>
    public RootPort? Port { get; set; }

    /// <summary>The hub that translates for it; null where none does.</summary>
    public DeviceSlot? Translator { get; set; }

    /// <summary>The address that the device answers to.</summary>
    public byte Address => Context.Address;

    /// <summary>The speed of the device, as software says.</summary>
    public UsbSpeed Speed => Context.Speed switch
    {
        PortSpeed.Low => UsbSpeed.Low,
        PortSpeed.Full => UsbSpeed.Full,
        PortSpeed.High => UsbSpeed.High,
        _ => UsbSpeed.Super,
    };

    /// <summary>Its state.</summary>
    public SlotState State
    {
        get => Context.State;
        set => Context = Context with { State = value };
    }

    /// <summary>It is given out.</summary>
    public void Enable()
    {
        IsEnabled = true;
        Clear();
    }

    /// <summary>It is free again.</summary>
    public void Disable()
    {
        IsEnabled = false;
        Clear();
    }

    /// <summary>The endpoint with a context index; null where there is none.</summary>
    public XhciEndpoint? Find(int index) =>
        (uint)(index - 1) < ContextIndex.Count - 1 && _endpoints[index] is { State: not EndpointState.Disabled } endpoint ? endpoint : null;

    /// <summary>The place of an endpoint that is about to come.</summary>
    /// <param name="index">1 to 31.</param>
    public XhciEndpoint Make(int index) => _endpoints[index] ??= new(this, index);

    /// <summary>Drops endpoints.</summary>
    /// <param name="first">The first context index that goes.</param>
    public void DropFrom(int first)
    {
        for (int index = first; index < ContextIndex.Count; index++)
            _endpoints[index]?.Drop();
    }

    private void Clear()
    {
        DropFrom(ContextIndex.Control);
        (Context, Port, Translator) = (default, null, null);
    }
}
